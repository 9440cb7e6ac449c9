//! Which fault, and how much of it: what the configuration fixes, or what the request's headers ask for (`x-envoy-fault-*`), each with
//! its percentage. Pure but for the dice.

use std::time::Duration;

use config::filters::fault::{AbortWith, Fault};
use config::matcher::Fraction;

use crate::policy::falls_into;
use crate::wire::headers::Headers;

/// How long the request is delayed.
pub(super) fn delay(config: &Fault, headers: &Headers) -> Option<Duration> {
    let delay = config.delay?;
    let (duration, share) = match delay.fixed {
        Some(fixed) => (Some(fixed), delay.percentage),
        None => (
            number(headers, "x-envoy-fault-delay-request").map(Duration::from_millis),
            share(headers, "x-envoy-fault-delay-request-percentage", delay.percentage),
        ),
    };
    // The clock of faults counts milliseconds.
    duration.filter(|duration| duration.as_millis() > 0 && hits(share))
}

/// With what the request is answered.
pub(super) fn abort(config: &Fault, headers: &Headers) -> Option<AbortWith> {
    let abort = config.abort.as_ref()?;
    let (with, share) = match abort.with {
        fixed @ (AbortWith::Http(_) | AbortWith::Grpc(_)) => (Some(fixed), abort.percentage),
        AbortWith::Header => {
            let http = number(headers, "x-envoy-fault-abort-request").filter(|status| (200..600).contains(status));
            let http = http.and_then(|status| u16::try_from(status).ok()).map(AbortWith::Http);
            // As in Envoy what is more than a status has is cut off.
            let grpc = || number(headers, "x-envoy-fault-abort-grpc-request").map(|status| status as u32);
            (
                http.or_else(|| grpc().map(AbortWith::Grpc)),
                share(headers, "x-envoy-fault-abort-request-percentage", abort.percentage),
            )
        }
    };
    with.filter(|_| hits(share))
}

/// Octets a second that the response may have.
pub(super) fn rate(config: &Fault, headers: &Headers) -> Option<u64> {
    let limit = config.response_rate_limit?;
    let (rate, share) = match limit.kib_per_second {
        Some(fixed) => (Some(fixed), limit.percentage),
        None => (
            number(headers, "x-envoy-fault-throughput-response"),
            share(headers, "x-envoy-fault-throughput-response-percentage", limit.percentage),
        ),
    };
    rate.filter(|rate| *rate > 0 && hits(share)).map(|rate| rate.saturating_mul(1024))
}

/// A header may lower a percentage.
fn share(headers: &Headers, name: &str, most: Fraction) -> Fraction {
    let asked = number(headers, name).and_then(|asked| u32::try_from(asked).ok());
    Fraction { numerator: asked.map_or(most.numerator, |asked| asked.min(most.numerator)), ..most }
}

fn number(headers: &Headers, name: &str) -> Option<u64> {
    std::str::from_utf8(headers.get_str(name)?).ok()?.trim().parse().ok()
}

fn hits(share: Fraction) -> bool {
    falls_into(share, fastrand::u64(..))
}
