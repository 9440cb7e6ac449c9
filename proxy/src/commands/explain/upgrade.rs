//! Whether a request for an upgrade (`websocket`, CONNECT) may have it, and by which filters it goes. Called by `listener`.

use serde_json::Value;

use super::route::Request;
use super::steps::Steps;
use crate::commands::dump::{items, text};

/// What a route and its connection manager say of an upgrade.
#[derive(Debug, Clone, Copy)]
pub enum Permission<'a> {
    /// None is asked for.
    NotAsked,
    /// By the manager's list of filters, or by its own.
    Given { own: Option<&'a Value>, ends_here: bool },
    /// 403, and who says so.
    Refused(&'static str),
}

/// What the request wants in place of an answer.
pub fn kind<'r>(request: &'r Request<'_>, steps: &mut Steps) -> Option<&'r str> {
    if request.method == "CONNECT" {
        return Some("CONNECT");
    }
    let kind = request.header("upgrade").filter(|kind| !kind.is_empty())?;
    let mut options = request.header("connection").unwrap_or_default().split(',');
    if options.any(|option| option.trim().eq_ignore_ascii_case("upgrade")) {
        return Some(kind);
    }
    steps.odd("filters", format!("'upgrade: {kind}' asks for nothing without 'connection: upgrade'"));
    None
}

/// Whether that is given: the route's word counts before the manager's.
pub fn permission<'a>(kind: Option<&str>, manager: &'a Value, route: Option<&'a Value>) -> Permission<'a> {
    let Some(kind) = kind else { return Permission::NotAsked };
    let of_route = route.and_then(|route| find(&route["route"]["upgrade_configs"], kind));
    let of_manager = find(&manager["upgrade_configs"], kind);
    match (of_route.map(is_enabled), of_manager.map(is_enabled)) {
        (Some(false), _) => return Permission::Refused("its route says enabled: false"),
        (None, Some(false)) => return Permission::Refused("the connection manager says enabled: false"),
        (None, None) => {
            return Permission::Refused("no upgrade_configs of the route or the connection manager have it");
        }
        (Some(true), _) | (None, Some(true)) => {}
    }
    let own = of_manager.map(|config| &config["filters"]).filter(|filters| items(filters).next().is_some());
    let ends_here = of_route.is_some_and(|config| config["connect_config"].is_object());
    Permission::Given { own, ends_here }
}

fn find<'a>(configs: &'a Value, kind: &str) -> Option<&'a Value> {
    items(configs).find(|config| text(&config["upgrade_type"]).eq_ignore_ascii_case(kind))
}

fn is_enabled(config: &Value) -> bool {
    // A wrapped boolean, which is true where it is missing.
    config["enabled"] != false
}

impl<'a> Permission<'a> {
    /// The filters that the request passes.
    pub fn filters(self, manager: &'a Value) -> &'a Value {
        match self {
            Permission::Given { own: Some(filters), .. } => filters,
            _ => &manager["http_filters"],
        }
    }

    /// For sentences on those filters.
    pub fn whose(self, kind: Option<&str>) -> String {
        match self {
            Permission::Given { own: Some(_), .. } => format!(" filters of {}", kind.unwrap_or_default()),
            _ => String::new(),
        }
    }

    /// Says what becomes of the upgrade. False where it is refused.
    pub fn tell(self, kind: Option<&str>, steps: &mut Steps) -> bool {
        let kind = kind.unwrap_or_default();
        match self {
            Permission::NotAsked => true,
            Permission::Refused(why) => {
                steps.wrong("upgrade", format!("{kind} is not allowed: {why}; 403 (upgrade_failed)"))
            }
            Permission::Given { ends_here, .. } => {
                let end =
                    if ends_here { "; the tunnel ends here, its octets go to the endpoint as they are" } else { "" };
                steps.good("upgrade", format!("{kind} is allowed{end}"));
                true
            }
        }
    }
}
