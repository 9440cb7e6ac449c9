//! Why a connection or a request went wrong: Envoy's response flags. Set where the failure is born, read by logs and local replies.

/// A set of Envoy's response flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseFlags(u32);

macro_rules! flags {
    ($($name:ident = $bit:expr, $short:literal, $long:literal;)*) => {
        impl ResponseFlags {
            $(#[doc = concat!("`", $short, "`: ", $long, ".")] pub const $name: ResponseFlags = ResponseFlags(1 << $bit);)*
            /// All flags with their short and long names, in the order in which Envoy prints them.
            pub const ALL: &'static [(ResponseFlags, &'static str, &'static str)] = &[$((Self::$name, $short, $long),)*];
        }
    };
}

// Envoy prints flags in the order in which they were set. That is the order of its own list, but for the retry limit, which is
// known before the failure that the last attempt ended with: `URX,UF`.
flags! {
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 15, "URX", "UpstreamRetryLimitExceeded";
    FAILED_LOCAL_HEALTH_CHECK = 0, "LH", "FailedLocalHealthCheck";
    NO_HEALTHY_UPSTREAM = 1, "UH", "NoHealthyUpstream";
    UPSTREAM_REQUEST_TIMEOUT = 2, "UT", "UpstreamRequestTimeout";
    LOCAL_RESET = 3, "LR", "LocalReset";
    UPSTREAM_REMOTE_RESET = 4, "UR", "UpstreamRemoteReset";
    UPSTREAM_CONNECTION_FAILURE = 5, "UF", "UpstreamConnectionFailure";
    UPSTREAM_CONNECTION_TERMINATION = 6, "UC", "UpstreamConnectionTermination";
    UPSTREAM_OVERFLOW = 7, "UO", "UpstreamOverflow";
    NO_ROUTE_FOUND = 8, "NR", "NoRouteFound";
    DELAY_INJECTED = 9, "DI", "DelayInjected";
    FAULT_INJECTED = 10, "FI", "FaultInjected";
    RATE_LIMITED = 11, "RL", "RateLimited";
    UNAUTHORIZED_EXTERNAL_SERVICE = 12, "UAEX", "UnauthorizedExternalService";
    RATELIMIT_SERVICE_ERROR = 13, "RLSE", "RateLimitServiceError";
    DOWNSTREAM_CONNECTION_TERMINATION = 14, "DC", "DownstreamConnectionTermination";
    STREAM_IDLE_TIMEOUT = 16, "SI", "StreamIdleTimeout";
    INVALID_ENVOY_REQUEST_HEADERS = 17, "IH", "InvalidEnvoyRequestHeaders";
    DOWNSTREAM_PROTOCOL_ERROR = 18, "DPE", "DownstreamProtocolError";
    UPSTREAM_MAX_STREAM_DURATION_REACHED = 19, "UMSDR", "UpstreamMaxStreamDurationReached";
    RESPONSE_FROM_CACHE_FILTER = 20, "RFCF", "ResponseFromCacheFilter";
    NO_FILTER_CONFIG_FOUND = 21, "NFCF", "NoFilterConfigFound";
    DURATION_TIMEOUT = 22, "DT", "DurationTimeout";
    UPSTREAM_PROTOCOL_ERROR = 23, "UPE", "UpstreamProtocolError";
    NO_CLUSTER_FOUND = 24, "NC", "NoClusterFound";
    OVERLOAD_MANAGER = 25, "OM", "OverloadManagerTerminated";
    DNS_RESOLUTION_FAILED = 26, "DF", "DnsResolutionFailed";
    DROP_OVERLOAD = 27, "DO", "DropOverload";
    DOWNSTREAM_REMOTE_RESET = 28, "DR", "DownstreamRemoteReset";
}

impl ResponseFlags {
    /// No flag.
    pub const NONE: ResponseFlags = ResponseFlags(0);

    /// Adds flags.
    pub fn set(&mut self, flags: ResponseFlags) {
        self.0 |= flags.0;
    }

    /// Whether any of `flags` is set.
    pub fn has(self, flags: ResponseFlags) -> bool {
        self.0 & flags.0 != 0
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Appends the short names, `,` between, or `-`.
    pub fn write_short(self, out: &mut Vec<u8>) {
        self.write(out, |(_, short, _)| short);
    }

    /// Appends the long names, `,` between, or `-`.
    pub fn write_long(self, out: &mut Vec<u8>) {
        self.write(out, |(_, _, long)| long);
    }

    fn write(self, out: &mut Vec<u8>, name: impl Fn(&(ResponseFlags, &'static str, &'static str)) -> &'static str) {
        let start = out.len();
        for flag in Self::ALL.iter().filter(|(flag, _, _)| self.has(*flag)) {
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(name(flag).as_bytes());
        }
        if out.len() == start {
            out.push(b'-');
        }
    }
}

impl std::ops::BitOr for ResponseFlags {
    type Output = ResponseFlags;

    fn bitor(self, other: ResponseFlags) -> ResponseFlags {
        ResponseFlags(self.0 | other.0)
    }
}
