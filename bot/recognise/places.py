"""Whose failure it is, where the text is about the API server itself: the grammar of the clients that wrote it."""

from __future__ import annotations

from bot.recognise.form import Place, Whose, words

_API, _SERVICE = Whose.API, Whose.SERVICE

API_PATH = (
    r"/(?:api/v1(?:/(?:namespaces|nodes|pods|services|endpoints|events|secrets|configmaps|componentstatuses|persistentvolume\w{0,6}"
    r"|serviceaccounts|replicationcontrollers|limitranges|resourcequotas|watch)\b|(?=[?\"'\\\s]|$))|api(?=[?\"'\\\s]|$)|api/v1beta\d"
    r"|apis(?:/(?:apps|batch|autoscaling|extensions|policy|[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60}){1,6})/v\d|(?=[?\"'\\\s]|$))"
    r"|version\?timeout=|openapi/v\d)"
)
"""A path that API servers alone have."""
_HOST = r"(?:\[[0-9a-f:.]{2,45}\]|[\w.*$<>-]{1,253})"
SERVICE_ADDRESS = r"(?:10|172|192|100)\.\d{1,3}\.\d{1,3}\.1"
"""What the service `kubernetes` has in nearly every cluster: the first address of the service range."""

# Words that are only ever said of an API server.
API: tuple[Place, ...] = (
    Place(
        name="service-address",
        whose=_SERVICE,
        by_itself=False,
        pattern=words(
            rf"(?<![\d.]){SERVICE_ADDRESS}(?:\]?:443(?!\d)|/api)",
            r"\bkubernetes\.default\b",
            r"\[?KUBERNETES_SERVICE_HOST\b",
            rf"\[{SERVICE_ADDRESS}\]:443",
        ),
        example="Failed to list *v1.Service: Get https://10.96.0.1:443/api/v1/services: dial tcp 10.96.0.1:443: i/o timeout",
        means="the API server as pods reach it",
    ),
    Place(
        name="kubectl",
        whose=_API,
        pattern=words(
            r"unable to connect to (?:the )?server",
            r"the connection to the server \S{0,300} ?was refused",
            r"the connection to the server[^\n]{1,200}?did you specify the right host",
            r"couldn't (?:read version from server|get current server API group list|get available api versions)",
            r"must be logged in to the server",
            r"the server doesn't have a resource type",
            r"^error from server\b",
            r"\berror from server[ :(]",
            r"failed to negotiate an api version",
            r"the server has asked for the client to provide credentials",
            r"asked us to try again later",
        ),
        example="Unable to connect to the server: dial tcp 203.0.113.10:443: i/o timeout",
        means="the API server that kubectl asks",
    ),
    Place(
        name="balancer",
        whose=_API,
        pattern=words(
            r"\b(?:server|backend|proxy) '?[\w./-]{0,80}(?:k8s|kube|api-?server|control-?plane|6443)[\w./-]{0,80}'? is DOWN",
            r"\b(?:backend|proxy) '?[\w./-]{0,80}(?:k8s|kube|api-?server|control-?plane|6443)[\w./-]{0,80}'? has no server",
        ),
        example="Server kube-apiserver/cp1 is DOWN, reason: Layer4 connection problem",
        means="the balancer in front of the API server",
    ),
    Place(
        name="cluster-unreachable",
        whose=_API,
        pattern=words(
            r"kubernetes cluster unreachable",
            r"cluster[^\n]{0,40}? (?:is )?unreachable",
            r"could not get apiversions from kubernetes",
            r"failed to create kubernetes rest client",
            r"failed to (?:construct|create|get) (?:a |the )?(?:kubernetes|k8s|kube|rest)[ -]?(?:rest )?(?:client|config)",
            r"kubernetes api (?:server )?(?:is )?(?:not )?(?:un)?(?:reachable|available)",
            r"failed to communicate with api ?server",
            r"api ?server (?:is )?(?:not )?(?:healthy|unhealthy|unreachable|ready|running)",
            r"error (?:communicating|connecting) (?:with|to) (?:the )?(?:kubernetes|api ?server)",
            r"(?:unable|failed) to (?:reach|contact) (?:the )?(?:k(?:ubernete|8)s )?(?:kubernetes|(?:kube-?)?api[- ]?server)",
            r"(?:failed|unable) to connect to (?:the )?(?:kubernetes|k8s)(?: api| cluster)?\b",
        ),
        example='Error: Kubernetes cluster unreachable: Get "https://api.example.com/version": EOF',
        means="the API server that Helm, Terraform or an operator asks",
    ),
    Place(
        name="client-go",
        whose=_API,
        by_itself=False,
        pattern=words(
            r"failed to (?:list|watch) \*",
            r"\breflector\.go:\d",
            r"error getting ClusterInformation",
            r"\bleaderelection\.go:\d",
            r"error (?:retrieving|initially creating|updating) (?:resource lock|leader election)",
            r"\bmemcache\.go:\d",
            r"failed to get (?:api group resources|server groups|restmapping)",
            r"watch of \*",
            r"failed to (?:renew|acquire) lease",
            r"\btryAcquireOrRenew\b",
            r"k8s\.io/client-go",
            r"unable to load (?:services|endpoints|nodes)",
        ),
        example="reflector.go:147] failed to list *v1.Pod: Unauthorized",
        means="the API server that a program watches",
    ),
    Place(
        name="node",
        whose=_API,
        by_itself=False,
        pattern=words(
            r"unable to register node",
            r"error updating node status",
            r"failed to (?:ensure lease exists|update lease|update node lease)",
            r"unable to (?:write|update|create) event",
            r"server rejected event",
            r"error getting node\b",
            r"error getting the current node from lister",
            r"couldn't validate the identity of the api server",
            r"\[api-?check\]",
            r"cluster-info[\"']? config ?map",
            r"kubeadm-config[\"']? config ?map",
            r"failed to get CA certs",
            r"failed to connect to proxy\b",
            r"csinode|csidriver",
            r"bootstrap (?:client )?(?:certificate|kubeconfig)",
        ),
        example='Unable to register node with API server" err="Post https://10.0.0.11:6443/api/v1/nodes: i/o timeout"',
        means="the API server that a node asks",
    ),
    Place(
        name="api-path",
        whose=_API,
        by_itself=False,
        pattern=words(
            rf"https?://{_HOST}(?::[\w*]{{1,5}})?(?:/k8s/clusters/[\w-]{{1,80}})?{API_PATH}",
            rf"with url: {API_PATH}",
            rf"(?:get|post|put|patch|delete|list|watch) \\?[\"']?{API_PATH}",
            rf"(?<![\w/.@-]){API_PATH}",
        ),
        example='Get "https://api.example.com/api/v1/nodes?limit=500": dial tcp 203.0.113.10:443: i/o timeout',
        means="a request that API servers alone are asked",
    ),
    Place(
        name="certificate-names",
        whose=_API,
        pattern=words(
            rf"certificate is valid for [^\n]{{0,600}}?(?:\bkubernetes\b|(?<![\d.]){SERVICE_ADDRESS}\b)",
            r"doesn't match either of [^\n]{0,400}?\bkubernetes\b",
        ),
        example="x509: certificate is valid for kubernetes, kubernetes.default, 10.96.0.1, not api.example.com",
        means="a certificate with the names that API servers have",
    ),
    Place(
        name="status-object",
        whose=_API,
        by_itself=False,
        pattern=words(r"\bkind\W{1,8}Status\W{1,12}(?:apiVersion|metadata)\b", r"\bstatus\W{1,8}Failure\W{1,12}message\b"),
        example='{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","code":401}',
        means="an API server's own answer",
    ),
    Place(
        name="hosted",
        whose=_API,
        by_itself=False,
        pattern=words(
            r"\.eks\.amazonaws\.com",
            r"\.azmk8s\.io",
            r"\.k8s\.ondigitalocean\.com",
            r"\bcontrol-plane\.minikube\.internal",
            r"\bkubernetes\.docker\.internal",
            r"\.gke\.goog\b",
            r"\.clusters\.\S{1,40}?oraclecloud\.com",
            r"\blinodelke\.net",
            r"\.vultr-k8s\.com",
            r"\.containers\.cloud\.ibm\.com",
            r"\bkube-?api\.",
            r"\bk8s-?api\.",
            r"\b(?:api|k8s)\.[\w-]{1,60}\.k8s\.",
        ),
        example="dial tcp: lookup ABCDEF0123456789.gr7.us-east-1.eks.amazonaws.com: no such host",
        means="a host name that hosted API servers have",
    ),
    Place(
        name="api-server-port",
        whose=_API,
        by_itself=False,
        pattern=words(
            r":(?:6443|6444|16443|8443)\b",
            r"\bport[ =:]{1,3}(?:6443|16443|8443)\b",
            r"\b(?:6443|16443) port\b",
            r"\b(?:telnet|nc|ncat|nmap|curl) [^\n]{0,120}? (?:6443|16443|8443)\b",
        ),
        example="dial tcp 10.0.0.11:6443: connect: connection refused",
        means="the port that API servers have",
    ),
    Place(
        name="api-server-speaks",
        whose=_API,
        by_itself=False,
        pattern=words(
            r"component[\"=: ]{1,6}\"?kube-apiserver",
            r"\bwrap\.go:\d",
            r"\bauthentication\.go:\d",
            r"http2: server: error reading preface",
            r"\bhttplog\.go:\d",
        ),
        example="authentication.go:73] Unable to authenticate the request due to an error: x509: certificate has expired",
        means="what the API server itself logs",
    ),
)

# Hints: what is likely, where nothing surer is said.
HINTS: tuple[Place, ...] = (
    Place(
        name="client-default",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(
            r"dial tcp \[?(?:127\.0\.0\.1|::1)\]?:(?:80|8080)\b",
            r"(?:localhost|127\.0\.0\.1):8080\b",
            r"https?://localhost/api",
            r"host='localhost', port=(?:80|8080|443)\b",
        ),
        example="dial tcp 127.0.0.1:80: connect: connection refused",
        means="the address that clients ask when they have no kubeconfig",
    ),
    Place(
        name="api-name",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(r"lookup (?:api|k8s|kube|master|control-?plane)[\w-]{0,60}\."),
        example="dial tcp: lookup api.example.com: no such host",
        means="a host name that API servers often have",
    ),
    Place(
        name="api-status",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(r": Unauthorized[\"'\\)} ]{0,4}$", case=True),
        example="error retrieving pod spec for 'kube-system/net-x1': Unauthorized",
        means="an answer as API servers word it",
    ),
    Place(
        name="handshake-log",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(r"TLS handshake error from \S{1,80}"),
        example="http: TLS handshake error from 10.0.0.9:40000: remote error: tls: bad certificate",
        means="a server's own log of a handshake that failed",
    ),
    Place(
        name="api-server-named",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(
            r"\b(?:kube-?)?api-?server\b",
            r"\bapi server\b",
            r"\bkubernetes (?:api|master|cluster|control plane)\b",
            r"\bcontrol[- ]planes?\b",
            r"\bkubeconfig\b",
        ),
        example="the API server did not answer: connection refused",
        means="the API server, by name",
    ),
    Place(
        name="kubernetes-client",
        whose=_API,
        sure=False,
        by_itself=False,
        pattern=words(
            r"(?:^|[$#>%] |`)(?:sudo )?(?:kubectl|oc|helm|helmfile|k9s|kubeadm|flux) ",
            r"kubernetes[/.]client\b",
            r"\bkubernetes_\w{2,60}\.",
            r"provider\[?.{0,60}?kubernetes",
            r"\bkubectl\b",
            r"\bINSTALLATION FAILED\b",
            r"\bUPGRADE FAILED\b",
        ),
        example="`kubectl get nodes` says connection refused",
        means="a client of the API server",
    ),
)
