//! What came of a token or a key set: Envoy's words, which clients get as bodies and operators as reasons, and Envoy's numbers, which
//! metadata may hold.

/// Makes the closed set: a variant, its number and its words.
macro_rules! outcomes {
    ($($variant:ident $code:literal $text:literal;)*) => {
        /// Why a token or a key set is no good.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(clippy::enum_variant_names)]
        pub enum Status {
            $(#[doc = $text] $variant = $code,)*
        }

        impl Status {
            /// Envoy's words.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Status::$variant => $text,)*
                }
            }
        }
    };
}

outcomes! {
    Missing 1 "Jwt is missing";
    NotYetValid 2 "Jwt not yet valid";
    Expired 3 "Jwt is expired";
    BadFormat 4 "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    HeaderBase64 5 "Jwt header is an invalid Base64url encoded";
    HeaderJson 6 "Jwt header is an invalid JSON";
    BadAlg 7 "Jwt header [alg] field is required and must be a string";
    UnknownAlg 8 "Jwt header [alg] is not supported";
    BadKid 9 "Jwt header [kid] field is not a string";
    PayloadBase64 10 "Jwt payload is an invalid Base64url encoded";
    PayloadJson 11 "Jwt payload is an invalid JSON";
    BadIss 12 "Jwt payload [iss] field is not a string";
    BadSub 13 "Jwt payload [sub] field is not a string";
    BadIat 14 "Jwt payload [iat] field is not an integer";
    IatRange 15 "Jwt payload [iat] field is not a positive 64 bit integer";
    BadNbf 16 "Jwt payload [nbf] field is not an integer";
    NbfRange 17 "Jwt payload [nbf] field is not a positive 64 bit integer";
    BadExp 18 "Jwt payload [exp] field is not an integer";
    ExpRange 19 "Jwt payload [exp] field is not a positive 64 bit integer";
    BadJti 20 "Jwt payload [jti] field is not a string";
    BadAud 21 "Jwt payload [aud] field is not a string or string list";
    SignatureBase64 22 "Jwt signature is an invalid Base64url encoded";
    Ed25519Length 23 "Jwt ED25519 signature is wrong length";
    UnknownIssuer 24 "Jwt issuer is not configured";
    AudienceNotAllowed 25 "Audiences in Jwt are not allowed";
    VerificationFails 26 "Jwt verification fails";
    KeysJson 28 "Jwks is an invalid JSON";
    NoKeys 29 "Jwks does not have [keys] field";
    BadKeys 30 "[keys] in Jwks is not an array";
    NoValidKeys 31 "Jwks doesn't have any valid public key";
    NoMatchingKey 32 "Jwks doesn't have key to match kid or alg from Jwt";
    RsaParse 33 "Jwks RSA [n] or [e] field is missing or has a parse error";
    EcBase64 35 "Jwks EC [x] or [y] field is an invalid Base64.";
    EcParse 36 "Jwks EC [x] and [y] fields have a parse error.";
    OctBase64 37 "Jwks Oct key is an invalid Base64";
    OkpBase64 38 "Jwks OKP [x] field is an invalid Base64.";
    OkpLength 39 "Jwks OKP [x] field is wrong length.";
    FetchFails 40 "Jwks remote fetch is failed";
    MissingKty 41 "[kty] is missing in [keys]";
    BadKty 42 "[kty] is bad in [keys]";
    UnknownKty 43 "[kty] is not supported in [keys]";
    RsaBadAlg 44 "[alg] is not started with [RS] or [PS] for an RSA key";
    RsaMissingN 45 "[n] field is missing for a RSA key";
    RsaBadN 46 "[n] field is not string for a RSA key";
    RsaMissingE 47 "[e] field is missing for a RSA key";
    RsaBadE 48 "[e] field is not string for a RSA key";
    EcBadAlg 49 "[alg] is not started with [ES] for an EC key";
    EcBadCrv 50 "[crv] field is not string for an EC key";
    EcUnsupported 51 "[crv] or [alg] field is not supported for an EC key";
    EcIncompatible 52 "[crv] field specified is not compatible with [alg] for an EC key";
    EcMissingX 53 "[x] field is missing for an EC key";
    EcBadX 54 "[x] field is not string for an EC key";
    EcMissingY 55 "[y] field is missing for an EC key";
    EcBadY 56 "[y] field is not string for an EC key";
    OctBadAlg 57 "[alg] does not start with [HS] for an HMAC key";
    OctMissingK 58 "[k] field is missing for an HMAC key";
    OctBadK 59 "[k] field is not string for an HMAC key";
    OkpBadAlg 60 "[alg] is not [EdDSA] for an OKP key";
    OkpMissingCrv 61 "[crv] field is missing for an OKP key";
    OkpBadCrv 62 "[crv] field is not string for an OKP key";
    OkpUnsupported 63 "[crv] field is not supported for an OKP key";
    OkpMissingX 64 "[x] field is missing for an OKP key";
    OkpBadX 65 "[x] field is not string for an OKP key";
    X509Parse 67 "X509 parse pubkey fails";
    X509Key 68 "X509 parse pubkey internal fails: get pubkey";
}

impl Status {
    /// Envoy's number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
