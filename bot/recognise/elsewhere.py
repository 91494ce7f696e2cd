"""What looks alike and is not about reaching an API server: whose failure it is then."""

from __future__ import annotations

from bot.recognise.form import Place, Whose, words

_ELSEWHERE = Whose.ELSEWHERE

# Said of nothing else, wherever they stand.
SURE: tuple[Place, ...] = (
    Place(
        name="throttled-by-itself",
        whose=_ELSEWHERE,
        pattern=words(r"client-side throttling", r"throttling request took"),
        example="Waited for 1.1s due to client-side throttling, not priority and fairness, request: GET:https://10.0.0.1/api/v1/pods",
        means="a client that slows itself down; the API server is not asked any faster, and did nothing wrong",
    ),
    Place(
        name="image-pull",
        whose=_ELSEWHERE,
        pattern=words(
            r"fail(?:ed|ing)? (?:to )?pull(?:ing)? (?:and unpack )?image",
            r"error(?: response from daemon|: pulling image)",
            r"\b(?:ErrImagePull|ImagePullBackOff|ImageInspectError|InvalidImageName)\b",
            r"failed to resolve reference",
            r"pull access denied",
            r"\bPullImage\b",
            r"\bpulling (?:image|from)\b",
            r"https?://[^\s\"\\]{1,300}/v2/",
            r"https?://[^\s\"\\]{1,300}/v1/_ping",
            r"\b(?:registry-1\.docker\.io|auth\.docker\.io|docker\.io|gcr\.io|quay\.io|ghcr\.io|registry\.k8s\.io|mcr\.microsoft\.com|\w+\.azurecr\.io|dkr\.ecr\.)",
            r"initializing source docker://",
            r"error (?:copying|pinging) (?:image|container registry|docker registry)",
            r"unable to find image",
            r"\btoomanyrequests: ",
            r"docker: error",
        ),
        example='Failed to pull image "registry.example.com/web:1": dial tcp 203.0.113.20:443: i/o timeout',
        means="pulling an image from a registry",
    ),
    Place(
        name="runtime-socket",
        whose=_ELSEWHERE,
        pattern=words(
            r"\bdial unix\b",
            r"unix://",
            r"\b(?:docker|containerd|crio|cri-dockerd|dockershim|frakti)\.sock\b",
            r"cannot connect to the docker daemon",
            r"validate (?:CRI|service connection)",
            r"container runtime is (?:down|not running)",
            r"\bCRI v1 (?:runtime|image) API\b",
        ),
        example="validate service connection: rpc error: transport: dial unix /run/containerd/containerd.sock: refused",
        means="the kubelet's or a tool's way to the container runtime on its own node",
    ),
    Place(
        name="probe",
        whose=_ELSEWHERE,
        pattern=words(
            r"\b(?:liveness|readiness|startup) probe (?:failed|errored|warning)",
            r"\bWarning\s{1,9}Unhealthy\b",
            r"\bprobe failed: ",
        ),
        example='Readiness probe failed: Get "http://10.1.1.5:8080/ready": dial tcp 10.1.1.5:8080: connection refused',
        means="the kubelet's probe of a pod",
    ),
    Place(
        name="port-forward",
        whose=_ELSEWHERE,
        pattern=words(r"error forwarding port", r"\bportforward\.go", r"an error occurred forwarding", r"\bsocat\[\d"),
        example="an error occurred forwarding 8080 -> 80: error forwarding port 80 to pod web-0: Connection refused",
        means="a port inside a pod that was forwarded to",
    ),
    Place(
        name="kubelet-health",
        whose=_ELSEWHERE,
        pattern=words(r":10248\b", r"\[kubelet-check\]"),
        example='Get "http://localhost:10248/healthz": dial tcp 127.0.0.1:10248: connect: connection refused',
        means="the kubelet's own health port on its node",
    ),
    Place(
        name="health-check-noise",
        whose=_ELSEWHERE,
        pattern=words(r"TLS handshake error from \S{1,80}: (?:unexpected )?EOF"),
        example="http: TLS handshake error from 10.0.0.9:40000: EOF",
        means="somebody who connects to a server and leaves without a handshake, as balancers' health checks do",
    ),
)

# Said of other things, unless the words before are the API server's.
LIKELY: tuple[Place, ...] = (
    Place(
        name="ingress",
        whose=_ELSEWHERE,
        pattern=words(
            r"(?:while|when) (?:connecting to|reading response header from|sending request to|SSL handshaking to) upstream",
            r"\bno live upstreams\b",
            r"upstream (?:connect error|timed out|prematurely closed)",
            r"\[ingress-?nginx\b",
            r"\bhaproxy\[\d{1,9}\]:[^\n]{0,200}?backend",
            r"\bServer \S{1,80} is (?:DOWN|UP)\b",
        ),
        example='connect() failed (111: Connection refused) while connecting to upstream, upstream: "http://10.244.1.5:80/"',
        means="an ingress or a proxy and what is behind it",
    ),
    Place(
        name="database",
        whose=_ELSEWHERE,
        pattern=words(
            r"\bpostgres(?:ql)?\b",
            r"\bpsycopg",
            r"\bpsql\b",
            r"\bpq: ",
            r"\bmysql",
            r"\bmariadb\b",
            r"\bmongo(?:db|d|server\w*)?\b",
            r"\bredis\b",
            r"\bjdbc\b",
            r"\bSQLSTATE\b",
            r"\bkafka\b",
            r"\b(?:amqp|rabbitmq)\b",
            r"\belasticsearch\b",
            r"\bcassandra\b",
            r"\bsqlalchemy\b",
            r"\bclickhouse\b",
            r"\bmemcached\b",
            r"connect to (?:the )?(?:DB|database)\b",
            r"(?::|\bport[ =:]{1,3})(?:5432|3306|6379|27017|9092|9200|5672|9042|11211|1433|1521)\b",
        ),
        example="could not connect to server: Connection refused. Is the server running on host db and accepting on port 5432?",
        means="an application's database or queue",
    ),
    Place(
        name="download",
        whose=_ELSEWHERE,
        pattern=words(
            r"\b(?:apt(?:-get)?|yum|dnf|apk|pip3?|gem|mvn|gradle|cargo|brew) [^\n]{0,80}?(?:install|update|add|fetch|download)",
            r"\b(?:npm|yarn) (?:install|add|error)\b",
            r"\bnpm ERR!",
            r"failed to fetch https?://",
            r"/repodata/repomd\.xml",
            r"(?:archive|security)\.ubuntu\.com",
            r"\bdeb\.debian\.org",
            r"proxy\.golang\.org",
            r"is not a valid chart repository",
            r"/index\.yaml\b",
            r"no cached repo found",
            r"failed to query available provider packages",
            r"registry\.terraform\.io",
            r"releases\.hashicorp\.com",
            r"(?:raw\.)?github(?:usercontent)?\.com/\S{1,200}[^\n]{0,80}?(?:timeout|refused|reset|resolve|unable to access)",
            r"dl\.k8s\.io",
            r"storage\.googleapis\.com/kubernetes-release",
        ),
        example='looks like "https://charts.example.com" is not a valid chart repository or cannot be reached: i/o timeout',
        means="downloading a package, a chart or a file",
    ),
    Place(
        name="git-or-ssh",
        whose=_ELSEWHERE,
        pattern=words(
            r"\bfatal: unable to access\b",
            r"could not read from remote repository",
            r"\bssh: (?:connect to host|handshake failed|could not resolve)",
            r"permission denied \(publickey",
        ),
        example="ssh: connect to host node1.example.com port 22: Connection timed out",
        means="git or a remote shell",
    ),
    Place(
        name="mail-or-directory",
        whose=_ELSEWHERE,
        pattern=words(r"\bsmtps?\b", r"\bldaps?\b", r"\bimap\b"),
        example="dial tcp: lookup smtp.example.com: no such host",
        means="mail or a directory",
    ),
    Place(
        name="cloud",
        whose=_ELSEWHERE,
        pattern=words(
            r"\b169\.254\.169\.254\b",
            r"\bmetadata\.google\.internal",
            r"\b(?:sts|ec2|s3|elasticloadbalancing|autoscaling|iam|kms|route53|secretsmanager)\.(?:[\w-]{1,30}\.)?amazonaws\.com",
            r"\bmanagement\.azure\.com",
            r"\blogin\.microsoftonline\.com",
            r"\b(?:compute|oauth2|container|www|storage)\.googleapis\.com",
            r"\bacme-(?:v\d{2}|staging)",
            r"\bOperationNotAllowed\b",
            r"for (?:this|the) subscription",
            r"\b(?:RequestLimitExceeded|ThrottlingException|rateLimitExceeded|quotaExceeded|SubscriptionRequestsThrottled)\b",
        ),
        example="Post https://ec2.eu-central-1.amazonaws.com/: dial tcp 203.0.113.30:443: i/o timeout",
        means="a cloud provider's API",
    ),
    Place(
        name="monitoring",
        whose=_ELSEWHERE,
        by_itself=False,
        pattern=words(
            r":(?:9090|9093|9100|3000|3100|4317|4318|9411|14268)\b",
            r"\bapi/v1/(?:query|push|alerts|write|targets)\b",
            r"\bloki\b",
            r"\bgrafana\b",
            r"remote_write",
        ),
        example='Post "http://prometheus.monitoring:9090/api/v1/query": dial tcp 10.96.4.4:9090: connect: connection refused',
        means="monitoring",
    ),
    Place(
        name="component-health",
        whose=_ELSEWHERE,
        by_itself=False,
        pattern=words(r":(?:10249|10251|10252|10256|10257|10259|9153|8081|15020|15021)\b"),
        example="scheduler Unhealthy Get http://127.0.0.1:10251/healthz: dial tcp 127.0.0.1:10251: connect: connection refused",
        means="another component's own health port",
    ),
    Place(
        name="service-name",
        whose=_ELSEWHERE,
        by_itself=False,
        pattern=words(
            r"(?:lookup |://|host[= ]'?\"?|@)(?!kubernetes\.default)[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}\.svc\b",
            r"lookup (?!kubernetes\b)[a-z0-9-]{1,63} on \S{1,100}:53",
        ),
        example="dial tcp: lookup orders.shop.svc.cluster.local on 10.96.0.10:53: no such host",
        means="an application's service inside the cluster",
    ),
    Place(
        name="grpc",
        whose=_ELSEWHERE,
        by_itself=False,
        pattern=words(
            r"\brpc error: code = ",
            r"\btransport: (?:error|authentication|failed)",
            r"credentials: cannot check peer",
            r"failed to connect to all addresses",
        ),
        example='rpc error: code = Unavailable desc = "transport: Error while dialing: connection refused"',
        means="a gRPC connection, which API servers' clients do not make",
    ),
)

# Asked last: a request whose path no API server has.
REQUESTS: tuple[Place, ...] = (
    Place(
        name="other-request",
        whose=_ELSEWHERE,
        by_itself=False,
        pattern=words(
            r"\b(?:get|post|put|patch|delete|head) \\?[\"']?https?://[^\s\"'/]{1,300}/(?!(?:healthz|livez|readyz|version|metrics|api|apis)(?:[/?\"'\s:]|$))[^\s\"']{1,2000}",
            r"\b(?:get|post|put|patch|delete|head) \\?[\"']?https?://[^\s\"'/]{1,300}/(?:api|apis)/[^\s\"']{1,2000}",
        ),
        example='Get "https://orders.example.com/internal/report?day=1": x509: certificate signed by unknown authority',
        means="a request with a path that API servers do not have",
    ),
)

# Of webhooks: the API server answers, and something that it asks before it writes does not.
WEBHOOKS: tuple[Place, ...] = (
    Place(
        name="webhook",
        whose=Whose.BEHIND,
        pattern=words(
            r"fail(?:ed|ing) (?:to call|calling) webhook",
            r"admission webhook \\?[\"']\S{1,200} denied",
            r"conversion webhook for \S{1,200}",
            r"\bfailing (?:open|closed) \S{1,200}webhook",
            r"no endpoints available for service",
            r"\bauthzhook\b",
        ),
        example='failed calling webhook "check.example.com": Post "https://check.tools.svc:443/": context deadline exceeded',
        means="a webhook that the API server asks",
    ),
)
