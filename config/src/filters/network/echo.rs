//! `envoy.extensions.filters.network.echo.v3.Echo`. Called by the list of network filters.

use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions::filters::network::echo::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter has no settings: what comes goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Echo {}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Echo, Rejection> {
    let pb::Echo {} = extension.decode(at, options)?;
    Ok(Echo {})
}
