//! TLS on rustls, both directions.

pub mod info;
