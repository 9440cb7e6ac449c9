//! Files of lines: those that access logs go to, and those of events. A line goes into a buffer of the worker's own; other threads write
//! buffers out, so that a blocked file or terminal never stalls a worker. Held by `logs` for entries, and by `cluster` for its events; what
//! a line says is never known here.

mod events;
mod sink;
mod writer;

pub use events::EventFile;
pub use sink::{Files, Sink, SinkSettings};
