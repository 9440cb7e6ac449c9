//! Octets that may be a key: overwritten when the last who holds them lets go. Called wherever our own code keeps or takes apart a
//! secret; what libraries hold meanwhile is theirs to clear.

use bytes::Bytes;
use zeroize::{Zeroize, Zeroizing};

use crate::proto::{core::v3 as core, extensions::transport_sockets::tls::v3 as pb};

/// These octets, to be overwritten when they are dropped.
pub fn wiped(octets: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(octets))
}

/// Takes octets that came from elsewhere over into such, and overwrites the former where nobody else holds them.
pub fn wipe(octets: Bytes) -> Bytes {
    let copy = wiped(octets.to_vec());
    if let Ok(mut former) = octets.try_into_mut() {
        former[..].zeroize();
    }
    copy
}

/// Overwrites what is secret in a message that was read.
pub(super) fn wipe_message(secret: &mut pb::Secret) {
    use pb::secret::Type;
    match &mut secret.r#type {
        Some(Type::TlsCertificate(certificate)) => {
            certificate.private_key.iter_mut().chain(&mut certificate.password).for_each(wipe_source);
        }
        Some(Type::SessionTicketKeys(keys)) => keys.keys.iter_mut().for_each(wipe_source),
        Some(Type::GenericSecret(generic)) => {
            generic.secret.iter_mut().chain(generic.secrets.values_mut()).for_each(wipe_source);
        }
        Some(Type::ValidationContext(_)) | None => {}
    }
}

fn wipe_source(source: &mut core::DataSource) {
    use core::data_source::Specifier;
    match &mut source.specifier {
        Some(Specifier::InlineBytes(octets)) => octets.zeroize(),
        Some(Specifier::InlineString(text)) => text.zeroize(),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) | None => {}
    }
}

#[cfg(test)]
mod tests;
