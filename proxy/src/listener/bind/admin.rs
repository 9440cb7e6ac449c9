//! The admin interface's address: it is served beside the workers, and no listener can have it. Asked for each listener before it is
//! bound, and by `--mode validate`; the system would only say that somebody has it.

use config::address::Address;
use config::bootstrap::AdminListener;
use config::listener::Listener;
use config::{At, Rejection};

use super::{BACKLOG, Settings, overlap, places, printed};

/// Where the admin interface is, or will be.
#[derive(Debug, Clone)]
pub struct AdminPlace {
    address: Address,
    settings: Settings,
}

impl AdminPlace {
    /// Where the bootstrap wants it.
    pub fn of(config: &AdminListener) -> AdminPlace {
        AdminPlace { address: config.address.clone(), settings: Settings::of_admin(config) }
    }

    /// The same, on the port that the system chose.
    pub fn found(self, address: std::net::SocketAddr) -> AdminPlace {
        AdminPlace { address: Address::Socket(address), ..self }
    }

    /// Why a listener cannot be had.
    ///
    /// # Errors
    /// It wants this address, or one that overlaps.
    pub fn is_apart_from(&self, listener: &Listener) -> Result<(), Rejection> {
        let own = (&self.address, &self.settings);
        match places(listener).iter().find(|(address, settings)| overlap(own, (address, settings))) {
            None => Ok(()),
            Some((address, _)) => Err(At::root().field("address").reject(format!(
                "listener '{}' cannot have '{}': the admin interface is at '{}' (the bootstrap's admin.address); give one of them another \
                 address or port",
                listener.name,
                printed(address),
                printed(&self.address)
            ))),
        }
    }
}

impl Settings {
    /// What the admin interface asks for.
    pub fn of_admin(config: &AdminListener) -> Settings {
        Settings {
            reuse_port: false,
            freebind: false,
            transparent: false,
            backlog: BACKLOG,
            keepalive: None,
            options: config.socket_options.clone(),
            ipv4_compat: false,
            pipe_mode: config.pipe_mode,
        }
    }
}
