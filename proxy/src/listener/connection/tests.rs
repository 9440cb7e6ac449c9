//! A connection's facts for tests, and the size of its task.

use super::*;

/// A connection from nowhere.
pub(in crate::listener) fn info() -> ConnectionInfo {
    addresses(None, None, &DrainWatch::never())
}
