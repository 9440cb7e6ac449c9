//! `JwtProvider`: whose tokens are believed, where they stand, and what becomes of them. Called by the filter's translation.

use std::sync::Arc;
use std::time::Duration;

use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::jwt_authn::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::route::RetryPolicy;
use crate::secret::DataSource;
use crate::secret::decode::data_source;
use crate::services::{self, HttpUri};

/// `JwtProvider`.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in the map.
    pub name: Arc<str>,
    /// `issuer`; `None`: any.
    pub issuer: Option<Arc<str>>,
    /// `audiences`; empty: any.
    pub audiences: Vec<Arc<str>>,
    /// `subjects`.
    pub subjects: Option<StringMatcher>,
    /// `require_expiration` and `max_lifetime`.
    pub lifetime: Lifetime,
    /// `clock_skew_seconds`; default 60.
    pub clock_skew: u32,
    /// `remote_jwks` or `local_jwks`.
    pub keys: Keys,
    /// Where tokens stand.
    pub locations: Locations,
    /// What becomes of a good token.
    pub forwarding: Forwarding,
    /// What dynamic metadata is told.
    pub metadata: Metadata,
    /// `jwt_cache_config`.
    pub cache: Option<Cache>,
    /// `clear_route_cache`: the route is chosen again where claims became headers or metadata.
    pub clears_route: bool,
}

/// How long tokens may live from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As they say.
    Any,
    /// They must say so.
    Ends,
    /// Less than that.
    Below(Duration),
}

/// The keys of a provider.
#[derive(Debug, Clone)]
pub enum Keys {
    /// `local_jwks`. As in Envoy a file is read when the filter is made, and not again.
    Local(DataSource),
    /// `remote_jwks`.
    Remote(RemoteKeys),
}

/// `RemoteJwks`.
#[derive(Debug, Clone)]
pub struct RemoteKeys {
    /// `http_uri`.
    pub uri: HttpUri,
    /// The URI begins with `https://`.
    pub is_https: bool,
    /// `cache_duration`; default ten minutes.
    pub cache: Duration,
    /// `async_fetch`: fetched before they are needed.
    pub early: Option<AsyncFetch>,
    /// `retry_policy`.
    pub retry: Option<Arc<RetryPolicy>>,
}

/// `JwksAsyncFetch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncFetch {
    /// `fast_listener`: the listener does not wait for the first one.
    pub fast_listener: bool,
    /// `failed_refetch_duration`; default one second.
    pub again_after_failure: Duration,
}

/// `from_headers`, `from_params` and `from_cookies`, or their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    /// Headers.
    pub headers: Vec<TokenHeader>,
    /// Parameters of the query.
    pub params: Vec<Arc<str>>,
    /// Cookies.
    pub cookies: Vec<Arc<str>>,
}

/// `JwtHeader`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHeader {
    /// Lower case.
    pub name: Arc<str>,
    /// `value_prefix`, anywhere in the value; may be empty.
    pub prefix: Arc<str>,
}

/// What becomes of a good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// `forward`: it stays in the request.
    pub token: bool,
    /// `forward_payload_header`, lower case.
    pub payload_header: Option<Arc<str>>,
    /// `pad_forward_payload_header`.
    pub pads: bool,
    /// `claim_to_headers`.
    pub claims: Vec<ClaimToHeader>,
}

/// `JwtClaimToHeader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimToHeader {
    /// Lower case.
    pub header: Arc<str>,
    /// Which claim.
    pub claim: ClaimPath,
}

/// Which claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimPath {
    /// `claim_name`: keys joined by dots.
    Name(Arc<str>),
    /// `claim_path`: these keys.
    Keys(Vec<Arc<str>>),
}

/// What dynamic metadata is told, each under a key of the filter's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// `payload_in_metadata`.
    pub payload: Option<Arc<str>>,
    /// `header_in_metadata`.
    pub header: Option<Arc<str>>,
    /// `failed_status_in_metadata`.
    pub failure: Option<Arc<str>>,
    /// `normalize_payload_in_metadata.space_delimited_claims`: these become lists.
    pub lists: Vec<Arc<str>>,
}

/// `JwtCacheConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// `jwt_cache_size`; default 100.
    pub tokens: u32,
    /// `jwt_max_token_size`; default 4096.
    pub longest: u32,
}

pub(super) fn decode(
    at: &At<'_>,
    name: &str,
    proto: &pb::JwtProvider,
    options: &Options,
) -> Result<Provider, Rejection> {
    let texts = |list: &[String]| list.iter().map(|text| Arc::from(text.as_str())).collect::<Vec<Arc<str>>>();
    let at_life = at.field("max_lifetime");
    let lifetime = match (proto::duration(&at_life, &proto.max_lifetime)?, proto.require_expiration) {
        (Some(most), _) => Lifetime::Below(most),
        (None, true) => Lifetime::Ends,
        (None, false) => Lifetime::Any,
    };
    let subjects = proto.subjects.as_ref();
    let or = |value: u32, default: u32| if value == 0 { default } else { value };
    let cache = proto
        .jwt_cache_config
        .as_ref()
        .map(|cache| Cache { tokens: or(cache.jwt_cache_size, 100), longest: or(cache.jwt_max_token_size, 4096) });
    Ok(Provider {
        name: Arc::from(name),
        issuer: proto::text(&proto.issuer),
        audiences: texts(&proto.audiences),
        subjects: subjects.map(|one| matcher::decode::string(&at.field("subjects"), one)).transpose()?,
        lifetime,
        clock_skew: or(proto.clock_skew_seconds, 60),
        keys: keys(at, proto, options)?,
        locations: locations(at, proto)?,
        forwarding: forwarding(at, proto)?,
        metadata: Metadata {
            payload: proto::text(&proto.payload_in_metadata),
            header: proto::text(&proto.header_in_metadata),
            failure: proto::text(&proto.failed_status_in_metadata),
            lists: proto
                .normalize_payload_in_metadata
                .as_ref()
                .map_or_else(Vec::new, |normalize| texts(&normalize.space_delimited_claims)),
        },
        cache,
        clears_route: proto.clear_route_cache,
    })
}

fn keys(at: &At<'_>, proto: &pb::JwtProvider, options: &Options) -> Result<Keys, Rejection> {
    use pb::jwt_provider::JwksSourceSpecifier as Source;
    match &proto.jwks_source_specifier {
        None => Err(at.reject("has no keys; give remote_jwks or local_jwks")),
        Some(Source::LocalJwks(source)) => {
            let at = at.field("local_jwks");
            if source.watched_directory.is_some() {
                options.note(&at.field("watched_directory"), "is not acting, as in Envoy: a key set is read once");
            }
            Ok(Keys::Local(data_source(&at, source)?))
        }
        Some(Source::RemoteJwks(remote)) => Ok(Keys::Remote(self::remote(&at.field("remote_jwks"), remote, options)?)),
    }
}

fn remote(at: &At<'_>, proto: &pb::RemoteJwks, options: &Options) -> Result<RemoteKeys, Rejection> {
    /// What Envoy retries where a policy is given.
    const RETRIED: &str = "5xx,gateway-error,connect-failure,reset";
    /// Envoy adds it to the time of the day, twice.
    const LONGEST: Duration = Duration::from_secs(4_500_000_000);
    let at_uri = at.field("http_uri");
    let uri = services::http_uri(&at_uri, field_rules::required(&at_uri, &proto.http_uri)?)?;
    let at_cache = at.field("cache_duration");
    let cache = proto::positive(&at_cache, &proto.cache_duration)?.unwrap_or(Duration::from_secs(600));
    if cache > LONGEST {
        return Err(at_cache.reject("is out of range; give at most 4500000000 s"));
    }
    let at_retry = at.field("retry_policy");
    let retry = proto.retry_policy.as_ref().map(|one| services::retry_policy(&at_retry, one, RETRIED, options));
    let early = proto.async_fetch.as_ref().map(|fetch| {
        let at = at.field("async_fetch");
        let again = proto::duration(&at.field("failed_refetch_duration"), &fetch.failed_refetch_duration)?;
        // Zero is a loop without a pause.
        let again = again.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(1));
        Ok(AsyncFetch { fast_listener: fetch.fast_listener, again_after_failure: again })
    });
    Ok(RemoteKeys {
        is_https: uri.uri.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")),
        uri,
        // Envoy counts whole seconds.
        cache: Duration::from_secs(cache.as_secs()),
        early: early.transpose()?,
        retry: retry.transpose()?.map(Arc::new),
    })
}

fn locations(at: &At<'_>, proto: &pb::JwtProvider) -> Result<Locations, Rejection> {
    let at_headers = at.field("from_headers");
    let header = |(index, header): (usize, &pb::JwtHeader)| {
        let at = at_headers.index(index);
        field_rules::header_value(&at.field("value_prefix"), &header.value_prefix)?;
        Ok(TokenHeader {
            name: field_rules::header_name(&at.field("name"), &header.name)?,
            prefix: Arc::from(header.value_prefix.as_str()),
        })
    };
    let texts = |list: &[String]| list.iter().map(|text| Arc::from(text.as_str())).collect();
    let given = Locations {
        headers: proto.from_headers.iter().enumerate().map(header).collect::<Result<_, Rejection>>()?,
        params: texts(&proto.from_params),
        cookies: texts(&proto.from_cookies),
    };
    if given.headers.is_empty() && given.params.is_empty() && given.cookies.is_empty() {
        let bearer = TokenHeader { name: Arc::from("authorization"), prefix: Arc::from("Bearer ") };
        return Ok(Locations { headers: vec![bearer], params: vec![Arc::from("access_token")], ..given });
    }
    Ok(given)
}

fn forwarding(at: &At<'_>, proto: &pb::JwtProvider) -> Result<Forwarding, Rejection> {
    let at_payload = at.field("forward_payload_header");
    let payload = Some(proto.forward_payload_header.as_str()).filter(|name| !name.is_empty());
    let at_claims = at.field("claim_to_headers");
    let claim = |(index, one): (usize, &pb::JwtClaimToHeader)| {
        let at = at_claims.index(index);
        let claim = match (one.claim_name.as_str(), &one.claim_path[..]) {
            ("", []) => return Err(at.reject("names no claim; give claim_name or claim_path")),
            (name, []) => ClaimPath::Name(Arc::from(name)),
            ("", path) => {
                let at = at.field("claim_path");
                let key = |(index, segment): (usize, &pb::jwt_claim_to_header::PathSegment)| {
                    field_rules::not_empty(&at.index(index).field("key"), &segment.key)
                };
                ClaimPath::Keys(path.iter().enumerate().map(key).collect::<Result<_, _>>()?)
            }
            _ => return Err(at.reject("has both claim_name and claim_path; give one of them")),
        };
        Ok(ClaimToHeader {
            header: field_rules::mutable_header_name(&at.field("header_name"), &one.header_name)?,
            claim,
        })
    };
    Ok(Forwarding {
        token: proto.forward,
        payload_header: payload.map(|name| field_rules::mutable_header_name(&at_payload, name)).transpose()?,
        pads: proto.pad_forward_payload_header,
        claims: proto.claim_to_headers.iter().enumerate().map(claim).collect::<Result<_, Rejection>>()?,
    })
}
