//! Statistics, access logs, the process's own log.

pub mod access_log;
pub mod format;
pub mod stats;
pub mod stream_info;
