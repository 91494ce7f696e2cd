"""One fault a file; its name is its id. What a fault file has is in ``tests/lab/fault.py``; this is what it can use.

A fault does one thing to ``lab``, sees on the server's side that it is in (``wait_until`` from ``tests.lab.processes``, never a
sleep), yields an ``Ask`` with the proof, and undoes it. Every move below that is a context manager (marked: with) undoes itself.
After the fault the harness waits until the lab is well again, and starts what is dead. Names, ports, addresses, subjects,
times and who is asked come from ``draw`` (``tests/lab/seed.py``) or from ``lab.names``.

Run one: ``python -m tests.lab.scoreboard --only NAME [--seed N]``.

**Hosts**: ``lab.client``, ``client2`` (another source address and subnet), ``router`` (forwards; the firewall on the way is its
chain FORWARD), ``lb``, ``cp1``, ``cp2``, ``node``, ``dns``. A ``Host`` has:

- ``address``, ``run(*argv)``, ``command(*argv)``, ``start(name, *argv, log=)``, ``ip("line", …)``, ``processes()``,
  ``here(make a socket there)``
- ``dial(address, port, within=0.5)``: connected, refused, silent, or EHOSTUNREACH and its like
- ``listens(port, at=address)``: whether something does
- ``filter(*match, jump=["DROP"], chain="INPUT", table="filter")`` (with): ``rule.packets`` counts what it met
- ``changed(["route …"], ["route …"])`` (with): lines of ``ip``, and those that take them back: MTU, routes, links
- ``sysctl(key, value)`` (with)

**Control plane**: ``lab.api1`` on cp1, ``lab.api2`` on cp2, ``lab.apis`` both, ``lab.etcd`` on cp1. Each has ``host``,
``process``, ``running``, ``kill()``, ``freeze()``, ``thaw()``, ``killed()`` (with), ``frozen()`` (with), ``said(text)``: its log.
An ``ApiServer`` has:

- ``url``, ``port``, ``node``: its /etc/kubernetes (``node.pki``, ``node.manifests``, ``node.folder``, ``node.serving_names``)
- ``restarted("--flag=value", "--flag=", serving=Pair, open_files=N, ready=True, port=None)`` (with); a flag without a value
  is left out; ``port`` is where it is ready when that is another
- ``restart(…)``, ``start(…)``, ``wait_ready()``: the same by hand; the first two do not wait
- ``status("/readyz", port=, user=)`` and ``ask(path, method, body, user="admin" | "nobody" | a token, source=host)``, which has
  ``.status``, ``.headers``, ``.text``, ``.json``
- ``requests_by("apidown")``: by its audit log

``Etcd`` has ``start(flag_name="value")``, ``health()``, ``url``.

**Certificates**: ``lab.pki`` has the authorities (authority, etcd, front_proxy). ``lab.authority.server([names], common_name=,
not_before=, not_after=)`` and ``.client(user, [groups], …)`` make a ``Pair``. ``bot.demo.pki.Authority(name)`` is another
authority; ``tests.pki.Authority`` makes odd ones. ``tests.lab.kubeadm.as_user(pair)`` is a kubeconfig's user.

**Tokens**: ``tests.lab.tokens`` signs with the service accounts' key. **Load**: ``tests.lab.load``, bounded in number and time.

**Balancer**: ``lab.balancer`` is HAProxy, with the moves of a server and

- ``restarted(config)`` (with); a config is ``lab.balancer.config(check=, server_options=, servers=, port=, more=)``
- ``wait_for("DOWN", *names, check="L4CON")``, ``backends()`` by node name, ``seen()`` in one line for the proof, ``up``

It has a page of statistics, ``page``, and tells Prometheus of itself: whoever asks the balancer is configured with both.

**Prometheus** runs on ``node``, as ``lab.prometheus`` (None where it is not installed): ``targets()``, ``ask(expression)``. The
harness waits, once the fault is in, until it has looked at everything again; ``lab.scraped()`` does so in between, for what
in life comes about slowly. An ``Ask`` with ``at_once`` is not waited for, one with ``prometheus=False`` is not told of it.

**DNS**: ``lab.nameserver`` on ``lab.dns`` has ``saying({name: [addresses]}, rcode="SERVFAIL", silent=True)`` (with; an empty list
removes a name), ``stopped()`` (with), ``ask(name, source=host)``, ``asked``. ``Nameserver(host, records)`` is a second one.
``lab.names.api`` is the cluster's name, ``lab.url`` what is asked.

**On the way**: ``tests.lab.boxes`` intercept or refuse ALPN, on any host. ``lab.spare()`` is an address that
nobody has. ``lab.control`` is host:port that answers whatever happens to the cluster: the usual control of an ``Ask``.
"""
