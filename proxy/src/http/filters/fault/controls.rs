//! Which fault, and how much of it: what the configuration fixes, or what the request's headers ask for (`x-envoy-fault-*`), each with
//! its percentage; the runtime has the last word on both. Pure but for the dice.

use std::time::Duration;

use config::filters::fault::{AbortWith, Fault, Share};
use config::matcher::Fraction;

use crate::policy::falls_into;
use crate::wire::headers::Headers;

/// How long the request is delayed.
pub(super) fn delay(config: &Fault, headers: &Headers) -> Option<Duration> {
    let delay = config.delay.as_ref()?;
    let asked = || number(headers, "x-envoy-fault-delay-request").map(Duration::from_millis);
    let lowered = delay.fixed.is_none().then_some("x-envoy-fault-delay-request-percentage");
    // The runtime lengthens a delay that there is, and makes none.
    let duration = delay.of_runtime.get().or(Some(delay.fixed.or_else(asked)?));
    // The clock of faults counts milliseconds.
    duration.filter(|duration| duration.as_millis() > 0 && hits(share(headers, lowered, &delay.share)))
}

/// With what the request is answered.
pub(super) fn abort(config: &Fault, headers: &Headers) -> Option<Aborted> {
    let abort = config.abort.as_ref()?;
    let asked = |name| number(headers, name);
    let (http, grpc) = match abort.with {
        AbortWith::Http(status) => (Some(status), None),
        AbortWith::Grpc(status) => (None, Some(status)),
        AbortWith::Header => {
            let http = asked("x-envoy-fault-abort-request").filter(|status| (200..600).contains(status));
            // As in Envoy what is more than a status of gRPC has is cut off.
            let grpc = asked("x-envoy-fault-abort-grpc-request").map(|status| status as u32);
            (http.and_then(|status| u16::try_from(status).ok()), grpc)
        }
    };
    let of_runtime = || abort.http_of_runtime.get().filter(|status| (200..600).contains(status));
    let http = http.map(|status| Aborted::Http(of_runtime().unwrap_or(status)));
    let grpc = grpc.map(|status| Aborted::Grpc(abort.grpc_of_runtime.get().unwrap_or(status)));
    let lowered = (abort.with == AbortWith::Header).then_some("x-envoy-fault-abort-request-percentage");
    http.or(grpc).filter(|_| hits(share(headers, lowered, &abort.share)))
}

/// A status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aborted {
    Http(u16),
    Grpc(u32),
}

/// Octets a second that the response may have.
pub(super) fn rate(config: &Fault, headers: &Headers) -> Option<u64> {
    let limit = config.response_rate_limit.as_ref()?;
    let asked = || number(headers, "x-envoy-fault-throughput-response");
    let lowered = limit.kib_per_second.is_none().then_some("x-envoy-fault-throughput-response-percentage");
    let rate = limit.kib_per_second.or_else(asked);
    rate.filter(|rate| *rate > 0 && hits(share(headers, lowered, &limit.share))).map(|rate| rate.saturating_mul(1024))
}

/// The runtime's share, or the filter's, which a header may lower.
fn share(headers: &Headers, lowered: Option<&str>, share: &Share) -> Fraction {
    let most = share.percentage;
    let asked = lowered.and_then(|name| number(headers, name)).and_then(|asked| u32::try_from(asked).ok());
    let lowered = Fraction { numerator: asked.map_or(most.numerator, |asked| asked.min(most.numerator)), ..most };
    share.of_runtime.get().unwrap_or(lowered)
}

fn number(headers: &Headers, name: &str) -> Option<u64> {
    std::str::from_utf8(headers.get_str(name)?).ok()?.trim().parse().ok()
}

fn hits(share: Fraction) -> bool {
    falls_into(share, fastrand::u64(..))
}
