//! Statistics, access logs, the process's own log.

pub mod stream_info;
