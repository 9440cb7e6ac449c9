//! In which order addresses are tried, and which connections are made ahead. Called by [`super::decode`].

use super::{HappyEyeballs, Preconnect};
use crate::proto::{self, cluster::v3 as pb, uint32, wkt};
use crate::rejection::{At, Rejection};

/// `happy_eyeballs_config` of the options at some place.
pub(super) fn happy_eyeballs(
    at: &At<'_>,
    proto: Option<&pb::upstream_connection_options::HappyEyeballsConfig>,
) -> Result<HappyEyeballs, Rejection> {
    use pb::upstream_connection_options::FirstAddressFamilyVersion as Version;
    let Some(proto) = proto else { return Ok(HappyEyeballs::default()) };
    let at = at.field("happy_eyeballs_config");
    let version = proto::defined(&at.field("first_address_family_version"), proto.first_address_family_version)?;
    let four_first = match version {
        // Addresses of pipes and internal listeners have no family.
        Version::Default | Version::Pipe | Version::Internal => None,
        Version::V4 => Some(true),
        Version::V6 => Some(false),
    };
    let count = uint32(&proto.first_address_family_count).unwrap_or(1);
    if count == 0 {
        return Err(at.field("first_address_family_count").reject("must be at least 1"));
    }
    Ok(HappyEyeballs { four_first, count: count as usize })
}

/// `preconnect_policy`.
pub(super) fn preconnect(at: &At<'_>, proto: Option<&pb::cluster::PreconnectPolicy>) -> Result<Preconnect, Rejection> {
    let Some(proto) = proto else { return Ok(Preconnect::default()) };
    let ratio = |name, value: &Option<wkt::DoubleValue>| match value.as_ref().map_or(1.0, |ratio| ratio.value) {
        ratio if (1.0..=3.0).contains(&ratio) => Ok(ratio),
        ratio => Err(at.field(name).reject(format!("{ratio} is not between 1 and 3"))),
    };
    Ok(Preconnect {
        per_host: ratio("per_upstream_preconnect_ratio", &proto.per_upstream_preconnect_ratio)?,
        ahead: ratio("predictive_preconnect_ratio", &proto.predictive_preconnect_ratio)?,
    })
}
