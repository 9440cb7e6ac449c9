//! `envoy.extensions.filters.http.basic_auth.v3.BasicAuth`: a request shows the name and the password of a user, or is answered with 401.
//! Carries policy.
//!
//! Fields honoured: all. Files and variables that hold users are read when the configuration arrives, and not again, as with Envoy.
//! Neither a name nor a password is ever logged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use config::filters::basic_auth::{BasicAuth as Config, BasicAuthPerRoute, Passwords, Users};
use config::{At, Rejection};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::headers::Field;
use crate::sources;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// Octets of the path that the realm names.
const LONGEST_PATH: usize = 256;

/// The filter.
#[derive(Debug)]
pub(crate) struct BasicAuth {
    users: Passwords,
    from: Field,
    forward: Option<Name>,
    original_path: Name,
    allow_missing: bool,
    tells: bool,
    counts: Counts,
}

crate::stats::counters! {
    struct Counts { allowed denied }
}

/// Why a request is denied: the text, and the details.
type Denied = (&'static str, &'static str);

const MISSING: Denied = ("User authentication failed. Missing username and password.", "no_credential_for_basic_auth");
const SCHEME: Denied =
    ("User authentication failed. Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth");
const FORMAT: Denied =
    ("User authentication failed. Invalid basic credential format.", "invalid_format_for_basic_auth");
const WRONG: Denied =
    ("User authentication failed. Invalid username/password combination.", "invalid_credential_for_basic_auth");

impl HttpFilter for BasicAuth {
    type Config = Config;
    type ScopedConfig = BasicAuthPerRoute;
    type Scoped = Passwords;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<BasicAuth, Rejection> {
        Ok(BasicAuth {
            users: users(&config.users)?,
            from: Field::compile(&config.authentication_header),
            forward: config.forward_username_header.as_ref().map(|name| Name::new(name)),
            original_path: Name::new("x-envoy-original-path"),
            allow_missing: config.allow_missing,
            tells: config.emit_dynamic_metadata,
            counts: Counts::new(deps.stats, &format!("{}basic_auth.", deps.scope)),
        })
    }

    fn scope(config: &BasicAuthPerRoute, _deps: &FilterDeps<'_>) -> Result<Passwords, Rejection> {
        users(&config.users)
    }

    fn acts(&self, _scope: Option<&Passwords>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, BasicAuth>) -> Step {
        let users = turn.scope.unwrap_or(&self.users);
        let request = &mut turn.stream.request;
        let user = match self.judge(users, request) {
            Ok(user) => user,
            Err(MISSING | SCHEME) if self.allow_missing => return Step::Continue,
            Err((text, details)) => {
                self.counts.denied.inc();
                let mut reply = LocalReply::new(401, details).body(text.as_bytes());
                reply.headers.push((Name::WWW_AUTHENTICATE, self.realm(request)));
                return reply.into();
            }
        };
        if let Some(name) = &self.forward {
            request.headers.set_said(name.clone(), user.clone());
        }
        if self.tells {
            let told = serde_json::json!({ "username": String::from_utf8_lossy(&user) });
            turn.stream.info.metadata.merge(&turn.slot.name, &told);
        }
        self.counts.allowed.inc();
        Step::Continue
    }
}

impl BasicAuth {
    /// The user.
    fn judge(&self, users: &Passwords, request: &RequestHead) -> Result<Bytes, Denied> {
        let shown = self.from.first(request).ok_or(MISSING)?;
        let token = shown.strip_prefix(b"Basic ").ok_or(SCHEME)?;
        let token = token.strip_suffix(b"=").unwrap_or(token);
        let token = token.strip_suffix(b"=").unwrap_or(token);
        let mut decoded = STANDARD_NO_PAD.decode(token).map_err(|_| FORMAT)?;
        let colon = memchr::memchr(b':', &decoded).ok_or(FORMAT)?;
        let password = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &decoded[colon + 1..]);
        decoded.truncate(colon);
        // In the same time whatever differs: more than Envoy does.
        let fits = users
            .of(&decoded)
            .is_some_and(|known| aws_lc_rs::constant_time::verify_slices_are_equal(known, password.as_ref()).is_ok());
        if fits { Ok(Bytes::from(decoded)) } else { Err(WRONG) }
    }

    /// What a client is asked for a password of.
    fn realm(&self, request: &RequestHead) -> Bytes {
        let path = request.headers.get(&self.original_path).unwrap_or(&request.path);
        let parts: [&[u8]; 6] = [
            b"Basic realm=\"",
            &request.scheme,
            b"://",
            &request.authority,
            &path[..path.len().min(LONGEST_PATH)],
            b"\"",
        ];
        Bytes::from(parts.concat())
    }
}

fn users(config: &Users) -> Result<Passwords, Rejection> {
    let source = match config {
        Users::Given(users) => return Ok(users.clone()),
        Users::From(source) => source,
    };
    let root = At::root();
    let at = root.field("users");
    let at = at.field(source.specifier());
    let text = sources::read(source).map_err(|reason| at.reject(reason))?;
    if text.is_empty() {
        return Err(at.reject("DataSource cannot be empty; give users, or take the filter out"));
    }
    Passwords::parse(&text).map_err(|why| at.reject(why))
}

#[cfg(test)]
mod tests;
