//! Envoy's words.

use super::*;

#[test]
fn alerts_and_system_errors_read_as_boringssl_prints_them() {
    let of = |error: Error| of_tls(&error).reason;
    assert_eq!(
        &*of(Error::AlertReceived(AlertDescription::HandshakeFailure)),
        "TLS_error:|268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end"
    );
    assert_eq!(
        &*of(Error::NoCertificatesPresented),
        "TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:\
         peer did not provide required client certificate:TLS_error_end"
    );
    let reset = HandshakeFailure::from(io::Error::from_raw_os_error(104));
    assert_eq!(
        &*reset.reason,
        "TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end"
    );
    assert_eq!(reset.kind, FailureKind::Closed);
    assert_eq!(&*HandshakeFailure::from(io::Error::from(io::ErrorKind::UnexpectedEof)).reason, "");
}

#[test]
fn other_errors_are_not_of_tls() {
    assert!(HandshakeFailure::of_stream(&io::Error::from_raw_os_error(32)).is_none());
}
