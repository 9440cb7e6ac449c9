//! Why a connection or a request went wrong: Envoy's response flags. Set where the failure is born, read by logs and local replies.

/// A set of Envoy's response flags that remembers the order in which they were set, for they are printed in it: a retry that failed
/// to connect is `URX,UF` for HTTP and `UF,URX` for TCP.
///
/// Flags are numbers from 1, five bits each, the first in the lowest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ResponseFlags(u64);

/// Bits of one flag.
const BITS: u32 = 5;

macro_rules! flags {
    ($($name:ident = $bit:expr, $short:literal, $long:literal;)*) => {
        impl ResponseFlags {
            $(#[doc = concat!("`", $short, "`: ", $long, ".")] pub const $name: ResponseFlags = ResponseFlags($bit + 1);)*
            /// All flags with their short and long names, in the order in which Envoy prints them.
            pub const ALL: &'static [(ResponseFlags, &'static str, &'static str)] = &[$((Self::$name, $short, $long),)*];
        }
    };
}

// The order is that of Envoy's own list (`source/common/stream_info/utility.h`); printed are flags in the order in which they were set.
flags! {
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
    UPSTREAM_RETRY_LIMIT_EXCEEDED = 15, "URX", "UpstreamRetryLimitExceeded";
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
    UNCONDITIONAL_DROP_OVERLOAD = 29, "UDO", "UnconditionalDropOverload";
}

impl ResponseFlags {
    /// No flag.
    pub const NONE: ResponseFlags = ResponseFlags(0);

    /// Adds flags, after those that are there.
    pub fn set(&mut self, flags: ResponseFlags) {
        for flag in flags.numbers() {
            let end = (u64::BITS - self.0.leading_zeros()).div_ceil(BITS) * BITS;
            // No stream goes wrong in more than twelve ways.
            if !self.numbers().any(|known| known == flag) && end + BITS <= u64::BITS {
                self.0 |= flag << end;
            }
        }
    }

    /// Whether any of `flags` is set.
    pub fn has(self, flags: ResponseFlags) -> bool {
        self.numbers().any(|flag| flags.numbers().any(|wanted| wanted == flag))
    }

    /// Those of a list that are set.
    pub fn and<const N: usize>(self, list: [ResponseFlags; N]) -> ResponseFlags {
        let mut both = ResponseFlags::NONE;
        list.into_iter().filter(|flag| self.has(*flag)).for_each(|flag| both.set(flag));
        both
    }

    fn numbers(self) -> impl Iterator<Item = u64> {
        let flags = std::iter::successors(Some(self.0), |rest| Some(rest >> BITS));
        flags.take_while(|rest| *rest != 0).map(|rest| rest & ((1 << BITS) - 1))
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Appends the short names, `,` between, or `-`.
    pub fn write_short(self, out: &mut Vec<u8>) {
        self.write(out, |(_, short, _)| short);
    }

    /// The short names, `,` between, or `-`.
    pub fn short(self) -> String {
        let mut out = Vec::new();
        self.write_short(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends the long names, `,` between, or `-`.
    pub fn write_long(self, out: &mut Vec<u8>) {
        self.write(out, |(_, _, long)| long);
    }

    fn write(self, out: &mut Vec<u8>, name: impl Fn(&(ResponseFlags, &'static str, &'static str)) -> &'static str) {
        let start = out.len();
        for flag in self.numbers().filter_map(|number| Self::ALL.iter().find(|(flag, _, _)| flag.0 == number)) {
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
        let mut both = self;
        both.set(other);
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_in_the_order_in_which_they_were_set() {
        let text = ResponseFlags::short;
        let (limit, failure) =
            (ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED, ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        assert_eq!(text(limit | failure), "URX,UF");
        assert_eq!(text(failure | limit | failure), "UF,URX");
        assert_eq!(text(ResponseFlags::NONE), "-");
        assert!((limit | failure).has(failure) && !limit.has(failure));
        let all = ResponseFlags::ALL.iter().fold(ResponseFlags::NONE, |all, (flag, _, _)| all | *flag);
        assert_eq!(text(all).split(',').count(), 12);
        for (flag, short, _) in ResponseFlags::ALL {
            assert_eq!(text(*flag), *short);
        }
    }
}
