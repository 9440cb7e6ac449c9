//! Load balancing as one worker does it: which priority, which locality, which host. Envoy's arithmetic, without any lock.

mod chooser;
mod edf;
mod hashing;
mod level;
mod load;
mod murmur;
mod slow_start;
mod twister;

pub use level::{Balancer, Group};
pub use load::PriorityLoad;
