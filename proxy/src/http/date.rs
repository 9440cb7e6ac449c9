//! The `date` header, written once a second and thread. Called by `respond`.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

thread_local! {
    static LAST: RefCell<(u64, Bytes)> = const { RefCell::new((u64::MAX, Bytes::new())) };
}

/// The time as RFC 9110 section 5.6.7 writes it.
pub(super) fn at(time: SystemTime) -> Bytes {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()).min(LATEST);
    LAST.with_borrow_mut(|(second, text)| {
        if *second != seconds {
            *second = seconds;
            *text = Bytes::from(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)));
        }
        text.clone()
    })
}

/// The end of the year 9999: the form has no later ones.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
