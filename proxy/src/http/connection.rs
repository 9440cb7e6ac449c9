//! One downstream connection from its first byte to its last: which codec, requests one after another or side by side, limits, drain.

use std::rc::Rc;
use std::sync::Arc;

use super::ConnectionManager;
use crate::drain::DrainWatch;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::Stream;
use crate::worker::Worker;

/// Serves one downstream connection to its end. `drain` watches the connection's listener.
pub async fn serve(
    _worker: Rc<Worker>,
    _manager: Arc<ConnectionManager>,
    _stream: Stream,
    _connection: Rc<ConnectionInfo>,
    _drain: DrainWatch,
) {
}
