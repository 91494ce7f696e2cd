"""Loads playbooks and causes: the YAML that on-call engineers edit, checked all at once and never half used.

A playbook is ``playbooks/<id>.yaml``, a cause ``playbooks/causes/<id>.yaml``; the file's name is the id. Both are closed:
a key that is not listed here is a mistake. Keys marked ? may be left out.

.. code-block:: yaml

    id: connection-refused
    title: Connection refused - control plane
    meaning: What it is, shown on request.
    impact: What stops working.
    always?: true                 # its steps run in every investigation, beside the selected playbook's
    source?: {document: "000", license?: CC-BY-4.0, url?: https://…}
    selects?: {symptoms?: [connection-refused], alerts?: [KubeAPIDown]}
    steps:                        # ids are unique among steps and otherwise, those of the "always" playbooks included
      - id: apiserver-pods
        title: API server pods run in kube-system        # the good state
        source?: 000/playbook/1                          # one or a list
        probe: apiserver-pods                            # a probe …
        with?: {namespace: kube-system}                  # its parameters
        from?: [bot, control-plane]                      # one or a list of vantage kinds; left out: bot
        manual?: Look at the pods on the node itself.    # what to do by hand when the probe cannot look
        run?: crictl ps --name kube-apiserver
      - id: network-team
        title: Nobody is working on the load balancer
        manual: Ask the network team.                    # … or a manual step: no probe, no with, no from
        run?: a command to copy
    diagnosis?:
      - id: apiserver-restart
        title: API server pods restart within 2 minutes of the first errors
        source?: 000/diagnosis/1
        changes: [pod-restart]                           # one or a list of the kinds in bot.model.change.CHANGE_KINDS
        subject?: kube-system/kube-apiserver*            # a glob
        window: {around: 2m, widen?: 5m}                 # before | after | around the onset; widen is longer
    otherwise?:                   # closing checks: as steps, without from
      - {id: dns, title: The name resolves, source?: 000/otherwise/1, probe: dns-lookup, with?: {}, manual?: …, run?: …}

.. code-block:: yaml

    id: apiserver-not-running
    domain: process
    title: The API server is not running
    sentence: Nothing listens on the API server's port.
    refines?: another-cause
    source?: [000/cause/2]
    evidence:
      for:
        - probe: tcp-connect
          outcome: connection-refused                    # one or a list of the probe's outcomes
          from?: bot                                     # one vantage kind; left out: any
          match?: all                                    # any (default) | all | none | mixed
          weight: strong                                 # decisive 8 | strong 3 | weak 1
          says: Every address refuses the connection.
        - change: static-pod-manifest
          result?: match                                 # match (default) | match-after-widening | no-match | not-checked
          weight: weak
          says: The manifest changed just before.
      against?: []                                       # lines of the same form
    next?: [{say: Look whether the container exists, run?: crictl ps -a --name kube-apiserver}]
    separated_by?:
      - {from: firewall-reject, check: Connect from the node itself, run?: "curl -k https://127.0.0.1:{port}/livez"}

Durations are ``90s``, ``2m``, ``1h``, ``1h30m``, ``2d``. ``manual``, ``run``, ``say`` and ``check`` may use the
placeholders ``{host} {port} {server} {address} {cluster} {context} {namespace}``; a brace as such is ``{{`` or ``}}``.
"""
