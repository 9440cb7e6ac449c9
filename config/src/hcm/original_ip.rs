//! `original_ip_detection_extensions`: other ways to find out who a client is. Called by [`decode`](super::decode).

use std::sync::Arc;

use ipnet::IpNet;

use crate::address;
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::filters::network::http_connection_manager::v3 as hcm;
use crate::proto::extensions::http::original_ip_detection::{
    custom_header::v3::CustomHeaderConfig, xff::v3::XffConfig,
};
use crate::proto::{bool_or, core::v3 as core};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// One way. The first that finds an address, or refuses the request, has said it.
#[derive(Debug, Clone)]
pub enum OriginalIp {
    /// `CustomHeaderConfig`: a header has it.
    Header {
        /// Lower case.
        name: Arc<str>,
        /// `allow_extension_to_set_address_as_trusted`: who comes from there may be internal.
        trusted: bool,
        /// `reject_with_status`: what a request without it is answered.
        reject: Option<u16>,
    },
    /// `XffConfig`: `x-forwarded-for` has it.
    Forwarded {
        /// `xff_num_trusted_hops`.
        hops: u32,
        /// `xff_trusted_cidrs`: proxies that are believed, in place of a number of them.
        proxies: Option<Vec<IpNet>>,
        /// Not `skip_xff_append`: the client of this connection is added.
        appends: bool,
    },
}

pub(super) fn detection(
    at: &At<'_>,
    proto: &hcm::HttpConnectionManager,
    options: &Options,
) -> Result<Vec<OriginalIp>, Rejection> {
    let list = &proto.original_ip_detection_extensions;
    if !list.is_empty() {
        let mixed = |what| Err(at.reject(format!("Original IP detection extensions and {what} may not be mixed")));
        if bool_or(&proto.use_remote_address, false) {
            return mixed("use_remote_address");
        }
        if proto.xff_num_trusted_hops > 0 {
            return mixed("xff_num_trusted_hops");
        }
    }
    list.iter().enumerate().map(|(index, one)| way(&at.index(index), one, options)).collect()
}

fn way(at: &At<'_>, proto: &core::TypedExtensionConfig, options: &Options) -> Result<OriginalIp, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    match &*extension.type_name {
        registry::CUSTOM_HEADER_ADDRESS => {
            let config: CustomHeaderConfig = extension.decode(&at, options)?;
            let status = field_rules::http_status(&at.field("reject_with_status"), &config.reject_with_status)?;
            Ok(OriginalIp::Header {
                name: field_rules::header_name(&at.field("header_name"), &config.header_name)?,
                trusted: config.allow_extension_to_set_address_as_trusted,
                // As with Envoy: what is no refusal is one.
                reject: status.map(|status| if status < 400 { 403 } else { status }),
            })
        }
        registry::FORWARDED_ADDRESS => forwarded(&at, &extension.decode(&at, options)?),
        other => Err(registry::unknown(&at, Kind::OriginalIp, &proto.name, other)),
    }
}

fn forwarded(at: &At<'_>, config: &XffConfig) -> Result<OriginalIp, Rejection> {
    let at_proxies = at.field("xff_trusted_cidrs");
    if config.xff_trusted_cidrs.is_some() && config.xff_num_trusted_hops > 0 {
        return Err(at_proxies.reject("Cannot set both xff_num_trusted_hops and xff_trusted_cidrs"));
    }
    let proxies = config.xff_trusted_cidrs.as_ref();
    Ok(OriginalIp::Forwarded {
        hops: config.xff_num_trusted_hops,
        proxies: proxies.map(|one| address::decode::cidrs(&at_proxies.field("cidrs"), &one.cidrs)).transpose()?,
        appends: !bool_or(&config.skip_xff_append, true),
    })
}
