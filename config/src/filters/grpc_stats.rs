//! `envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`. Called by the list of filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{core::v3 as core, extensions::filters::http::grpc_stats::v3 as pb};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStats {
    /// `emit_filter_state`: message counts as filter state, for logs.
    pub emit_filter_state: bool,
    /// Which methods have statistics of their own.
    pub methods: Methods,
    /// `enable_upstream_stats`.
    pub upstream_stats: bool,
    /// `replace_dots_in_grpc_service_name`.
    pub replace_dots: bool,
}

/// `per_method_stat_specifier`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// None: the cluster's statistics alone.
    None,
    /// `stats_for_all_methods`.
    All,
    /// `individual_method_stats_allowlist`: services with their methods.
    Listed(Vec<Service>),
}

/// `GrpcMethodList.Service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its full name.
    pub name: Arc<str>,
    /// Its methods.
    pub methods: Vec<Arc<str>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<GrpcStats, Rejection> {
    use pb::filter_config::PerMethodStatSpecifier;
    let proto: pb::FilterConfig = extension.decode(at, options)?;
    Ok(GrpcStats {
        emit_filter_state: proto.emit_filter_state,
        methods: match &proto.per_method_stat_specifier {
            Some(PerMethodStatSpecifier::StatsForAllMethods(all)) if all.value => Methods::All,
            Some(PerMethodStatSpecifier::IndividualMethodStatsAllowlist(list)) => {
                Methods::Listed(services(&at.field("individual_method_stats_allowlist").field("services"), list)?)
            }
            // Envoy's default, a runtime feature that is off.
            _ => Methods::None,
        },
        upstream_stats: proto.enable_upstream_stats,
        replace_dots: proto.replace_dots_in_grpc_service_name,
    })
}

fn services(at: &At<'_>, list: &core::GrpcMethodList) -> Result<Vec<Service>, Rejection> {
    let one = |(index, service): (usize, &core::grpc_method_list::Service)| {
        let at = at.index(index);
        field_rules::at_least_one(&at.field("method_names"), &service.method_names)?;
        let methods = service.method_names.iter().map(|name| Arc::from(name.as_str())).collect();
        Ok(Service { name: field_rules::not_empty(&at.field("name"), &service.name)?, methods })
    };
    list.services.iter().enumerate().map(one).collect()
}
