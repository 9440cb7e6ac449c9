//! Sessions that a server resumes: tickets under keys that are given, the age to which they count, and what is kept for clients
//! without tickets. Made by `server`; must never let a session outlive `session_timeout`, nor print a key.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey};
use config::secret::TicketKeys as Config;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

use super::files::Reader;

/// `session_ticket_keys`: tickets under them are taken wherever else they are configured, and after a restart.
pub(super) struct TicketKeys(Vec<Key>);

struct Key {
    name: [u8; NAME],
    key: RandomizedNonceKey,
}

/// Octets of a key as it is given: its name, a key for authentication, a key for encryption.
const GIVEN: usize = 80;
const NAME: usize = 16;
const SECRET: usize = 32;

/// Sessions kept for clients of TLS 1.2 where there are no tickets.
const MOST_KEPT: usize = 1024;

impl TicketKeys {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Reads what the configuration names.
    ///
    /// # Errors
    /// A key that cannot be read, or has another length.
    pub fn parse(config: &Config, reader: Reader<'_>) -> Result<TicketKeys, String> {
        let keys = config.keys.iter().enumerate().map(|(index, source)| {
            let octets = reader.read(source).map_err(|reason| format!("session_ticket_keys[{index}]: {reason}"))?;
            Key::of(&octets).ok_or_else(|| {
                format!(
                    "session_ticket_keys[{index}]: Incorrect TLS session ticket key length. Length {}, expected length {GIVEN}",
                    octets.len()
                )
            })
        });
        Ok(TicketKeys(keys.collect::<Result<_, _>>()?))
    }
}

impl Key {
    fn of(octets: &[u8]) -> Option<Key> {
        if octets.len() != GIVEN {
            return None;
        }
        let name = octets.first_chunk::<NAME>()?;
        // One key does both here.
        let key = RandomizedNonceKey::new(&AES_256_GCM, octets.last_chunk::<SECRET>()?).ok()?;
        Some(Key { name: *name, key })
    }

    /// Its name, a nonce, what is sealed: for those alone who are bound to the same.
    fn seal(&self, binding: &Binding, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(self.bound(binding), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(NAME + NONCE_LEN + sealed.len());
        ticket.extend_from_slice(&self.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn bound(&self, binding: &Binding) -> Aad<[u8; NAME + SECRET]> {
        let mut bound = [0; NAME + SECRET];
        bound[..NAME].copy_from_slice(&self.name);
        bound[NAME..].copy_from_slice(binding);
        Aad::from(bound)
    }

    fn open(&self, binding: &Binding, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.strip_prefix(&self.name)?.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let plain = self.key.open_in_place(Nonce::from(nonce), self.bound(binding), &mut sealed).ok()?.len();
        debug_assert_eq!(plain + MAX_TAG_LEN, sealed.len());
        sealed.truncate(plain);
        Some(sealed)
    }
}

/// What a ticket is bound to, as SHA-256: certificates, roots, revocation lists and demands of the context that made it.
pub(super) type Binding = [u8; 32];

/// Whose keys tickets have.
#[derive(Clone)]
pub(super) enum Keys {
    /// None: there are no tickets.
    None,
    /// Made here and rotated.
    Own,
    /// These, for contexts that are bound to the same.
    Given(Arc<TicketKeys>, Binding),
}

/// What a configuration of rustls needs to resume as the context says.
pub(super) struct Resumption {
    pub ticketer: Option<Arc<dyn ProducesTickets>>,
    pub storage: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    /// Tickets, or else sessions kept for clients of TLS 1.2: both would keep every session twice.
    ///
    /// # Errors
    /// The library has no random octets for keys.
    pub fn new(keys: Keys, is_kept: bool, timeout: Option<Duration>) -> Result<Resumption, String> {
        let nothing = || Arc::new(NoServerSessionStorage {});
        let (inner, longest): (Arc<dyn ProducesTickets>, _) = match keys {
            Keys::None if is_kept => {
                let inner = ServerSessionMemoryCache::new(MOST_KEPT);
                let age = Age(timeout.unwrap_or(DEFAULT));
                return Ok(Resumption { ticketer: None, storage: Arc::new(Kept { inner, age }) });
            }
            Keys::None => return Ok(Resumption { ticketer: None, storage: nothing() }),
            Keys::Own => {
                let own = Ticketer::new().map_err(|error| format!("no ticket keys: {error}"))?;
                let longest = Duration::from_secs(own.lifetime().into());
                (own, longest)
            }
            Keys::Given(keys, binding) => (Arc::new(Given { keys, binding }), LONGEST),
        };
        let ticketer = Tickets { inner, age: Age(timeout.unwrap_or(DEFAULT_OF_TICKETS).min(longest)) };
        Ok(Resumption { ticketer: Some(Arc::new(ticketer)), storage: nothing() })
    }
}

/// BoringSSL's for sessions, and what TLS 1.3 allows for tickets.
const DEFAULT: Duration = Duration::from_secs(2 * 3600);
const DEFAULT_OF_TICKETS: Duration = Duration::from_secs(12 * 3600);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How old a session may be.
#[derive(Debug, Clone, Copy)]
struct Age(Duration);

impl Age {
    fn stamp(plain: &[u8]) -> Vec<u8> {
        [&now().to_be_bytes(), plain].concat()
    }

    fn young(self, stamped: &[u8]) -> Option<Vec<u8>> {
        let (born, plain) = stamped.split_first_chunk()?;
        // A stamp of a machine whose clock is ahead is new.
        let age = now().saturating_sub(u64::from_be_bytes(*born));
        (age < self.0.as_secs()).then(|| plain.to_vec())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Tickets under the given keys.
struct Given {
    keys: Arc<TicketKeys>,
    binding: Binding,
}

impl ProducesTickets for Given {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.0.first()?.seal(&self.binding, plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.keys.0.iter().find_map(|key| key.open(&self.binding, ticket))
    }
}

/// Tickets with the time of their making inside.
struct Tickets {
    inner: Arc<dyn ProducesTickets>,
    age: Age,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.age.0.as_secs().try_into().unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(&Age::stamp(plain))
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.age.young(&self.inner.decrypt(ticket)?)
    }
}

/// Sessions in memory with the time of their making.
struct Kept {
    inner: Arc<ServerSessionMemoryCache>,
    age: Age,
}

impl StoresServerSessions for Kept {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.inner.put(key, Age::stamp(&value))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.age.young(&self.inner.get(key)?)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.age.young(&self.inner.take(key)?)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

macro_rules! nameless {
    ($($type:ident)*) => {
        $(impl fmt::Debug for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(stringify!($type))
            }
        })*
    };
}

nameless!(Given Tickets Kept TicketKeys);

#[cfg(test)]
mod tests;
