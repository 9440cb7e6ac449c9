//! Outrigger configuration.
