//! JSON Web Tokens: what one says, which keys there are, and whether a key has signed it. Used by filters; it knows no request and no
//! clock of its own. The texts of [`Status`] are Envoy's, octet for octet: clients get them.
//!
//! Stricter than Envoy where that takes in what no issuer means: `integration/parity/known.md` has the list. Signatures are AWS-LC's
//! matter. A JWT crate would bring claims as types, clocks and texts of its own, all of which are Envoy's here, and would leave but a
//! few lines of this. Nothing here prints a token or a key.

mod audience;
mod base64url;
mod claims;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
mod jwk;
mod jwks;
mod status;
mod token;

pub(crate) use audience::Audiences;
pub(crate) use claims::{claim, header_text};
pub use jwks::KeySet;
pub use status::Status;
pub use token::Token;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
