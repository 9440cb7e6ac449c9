//! Access logs, the process's own log, who talks to whom.

pub mod access_log;
pub mod clock;
pub mod dynamic;
pub mod facts;
pub mod format;
pub mod lines;
pub mod mesh;
pub mod peer;
pub mod process_log;
pub mod shadow;
pub mod state_values;
pub mod stream_info;
pub mod trace;
pub mod uuid;
pub mod wall;
