//! Parts of the load run: who is measured ([`contender`], [`configs`]), what they are given to do ([`traffic`], [`scenario`]), and
//! how it is told ([`report`]).

pub mod certs;
pub mod configs;
pub mod contender;
pub mod process;
pub mod report;
pub mod scenario;
pub mod traffic;
