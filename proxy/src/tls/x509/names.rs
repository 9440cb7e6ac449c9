//! Names and numbers of a certificate, printed as Envoy prints them.

use std::ffi::{CStr, c_char, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use config::tls::SanKind;

use super::super::certificate::San;
use super::super::info::PeerName;
use super::{Certificate, Errors, lc};

impl Certificate {
    /// Subject alternative names, those of kinds that can be asked for; none when the extension does not parse.
    pub fn sans(&self) -> Vec<San> {
        let _errors = Errors;
        let mut sans = Vec::new();
        // SAFETY: the names are ours until they are freed; what is kept of them is copied.
        unsafe {
            let names = lc::X509_get_ext_d2i(self.as_ptr(), lc::NID_subject_alt_name, ptr::null_mut(), ptr::null_mut());
            let Some(names) = NonNull::new(names) else { return sans };
            let stack: *mut lc::OPENSSL_STACK = names.as_ptr().cast();
            for index in 0..lc::OPENSSL_sk_num(stack) {
                sans.extend(san(lc::OPENSSL_sk_value(stack, index).cast()));
            }
            lc::GENERAL_NAMES_free(names.as_ptr().cast());
        }
        sans
    }

    /// RFC 2253: last part first, no spaces, octets above 127 as `\XX`.
    pub fn subject(&self) -> String {
        let _errors = Errors;
        // SAFETY: the name belongs to the certificate.
        unsafe { printed(lc::X509_get_subject_name(self.as_ptr())) }
    }

    /// Who signed it, likewise.
    pub fn issuer(&self) -> String {
        let _errors = Errors;
        // SAFETY: the name belongs to the certificate.
        unsafe { printed(lc::X509_get_issuer_name(self.as_ptr())) }
    }

    /// The first common name of its subject, if it has any.
    pub fn common_name(&self) -> Option<String> {
        let _errors = Errors;
        // SAFETY: name, entry and string belong to the certificate; what is kept is copied.
        unsafe {
            let subject = lc::X509_get_subject_name(self.as_ptr());
            let index = lc::X509_NAME_get_index_by_NID(subject, lc::NID_commonName, -1);
            if index < 0 {
                return None;
            }
            let name = text(lc::X509_NAME_ENTRY_get_data(lc::X509_NAME_get_entry(subject, index)));
            (!name.is_empty()).then_some(name)
        }
    }

    /// Lower-case hexadecimal digits, in pairs.
    pub fn serial(&self) -> String {
        let _errors = Errors;
        // SAFETY: the serial number belongs to the certificate.
        unsafe { number(lc::X509_get0_serialNumber(self.as_ptr()), lc::BN_bn2hex) }
            .unwrap_or_default()
            .to_ascii_lowercase()
    }
}

/// # Safety
/// `name` is a name that lives during this call.
unsafe fn printed(name: *const lc::X509_NAME) -> String {
    // SAFETY: the buffer is ours, and what it holds is copied before it is freed.
    unsafe {
        let buffer = lc::BIO_new(lc::BIO_s_mem());
        if buffer.is_null() {
            return String::new();
        }
        let (mut start, mut length) = (ptr::null(), 0);
        lc::X509_NAME_print_ex(buffer, name, 0, lc::XN_FLAG_RFC2253 as _);
        let text = match lc::BIO_mem_contents(buffer, &mut start, &mut length) {
            1 if !start.is_null() => String::from_utf8_lossy(std::slice::from_raw_parts(start, length)).into_owned(),
            _ => String::new(),
        };
        lc::BIO_free(buffer);
        text
    }
}

/// # Safety
/// `name` is a name that lives during the call.
unsafe fn san(name: *const lc::GENERAL_NAME) -> Option<San> {
    // SAFETY: which part of the union counts is what its type says.
    unsafe {
        let (kind, value) = match (*name).type_ {
            lc::GEN_EMAIL => (SanKind::Email, PeerName::new(octets((*name).d.rfc822Name))),
            lc::GEN_DNS => (SanKind::Dns, PeerName::new(octets((*name).d.dNSName))),
            lc::GEN_URI => (SanKind::Uri, PeerName::new(octets((*name).d.uniformResourceIdentifier))),
            lc::GEN_IPADD => (SanKind::IpAddress, ip(octets((*name).d.iPAddress))?.to_string().as_str().into()),
            lc::GEN_OTHERNAME => {
                let other = (*name).d.otherName;
                return Some(San {
                    kind: SanKind::OtherName,
                    value: PeerName::new(&other_value((*other).value)),
                    oid: object_identifier((*other).type_id).map(Arc::from),
                });
            }
            _ => return None,
        };
        Some(San { kind, value, oid: None })
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// # Safety
/// `string` lives as long as the slice is used.
unsafe fn octets<'a>(string: *const lc::ASN1_STRING) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    // SAFETY: data and length are those of the string.
    unsafe {
        let data = lc::ASN1_STRING_get0_data(string);
        let length = usize::try_from(lc::ASN1_STRING_length(string)).unwrap_or(0);
        if data.is_null() { &[] } else { std::slice::from_raw_parts(data, length) }
    }
}

/// # Safety
/// `string` lives during the call.
unsafe fn text(string: *const lc::ASN1_STRING) -> String {
    // SAFETY: the caller's promise.
    String::from_utf8_lossy(unsafe { octets(string) }).into_owned()
}

/// The value of an otherName; empty for kinds that have none.
///
/// # Safety
/// `value` is null or lives during the call.
unsafe fn other_value(value: *const lc::ASN1_TYPE) -> Vec<u8> {
    if value.is_null() {
        return Vec::new();
    }
    // SAFETY: which part of the union counts is what its type says.
    unsafe {
        let string = (*value).value.asn1_string;
        match (*value).type_ {
            lc::V_ASN1_NULL => Vec::new(),
            lc::V_ASN1_BOOLEAN => if (*value).value.boolean != 0 { &b"true"[..] } else { b"false" }.to_vec(),
            lc::V_ASN1_INTEGER | lc::V_ASN1_ENUMERATED => number(string, lc::BN_bn2dec).unwrap_or_default().into(),
            lc::V_ASN1_OBJECT => object_identifier((*value).value.object).unwrap_or_default().into(),
            lc::V_ASN1_BMPSTRING | lc::V_ASN1_UNIVERSALSTRING => utf8(string),
            lc::V_ASN1_BIT_STRING
            | lc::V_ASN1_OCTET_STRING
            | lc::V_ASN1_PRINTABLESTRING
            | lc::V_ASN1_T61STRING
            | lc::V_ASN1_IA5STRING
            | lc::V_ASN1_GENERALSTRING
            | lc::V_ASN1_UTCTIME
            | lc::V_ASN1_GENERALIZEDTIME
            | lc::V_ASN1_VISIBLESTRING
            | lc::V_ASN1_UTF8STRING
            | lc::V_ASN1_SET
            | lc::V_ASN1_SEQUENCE => octets(string).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// # Safety
/// `string` lives during the call.
unsafe fn utf8(string: *const lc::ASN1_STRING) -> Vec<u8> {
    // SAFETY: what is made is ours until it is freed, and copied before.
    unsafe {
        let mut out = ptr::null_mut();
        let length = lc::ASN1_STRING_to_UTF8(&mut out, string);
        let Some(start) = NonNull::new(out) else { return Vec::new() };
        let bytes = std::slice::from_raw_parts(start.as_ptr(), usize::try_from(length).unwrap_or(0)).to_vec();
        lc::OPENSSL_free(start.as_ptr().cast());
        bytes
    }
}

/// # Safety
/// `integer` is null or lives during the call.
unsafe fn number(
    integer: *const lc::ASN1_STRING,
    print: unsafe extern "C" fn(*const lc::BIGNUM) -> *mut c_char,
) -> Option<String> {
    // SAFETY: number and digits are ours until they are freed; the digits are copied before.
    unsafe {
        if integer.is_null() {
            return None;
        }
        let number = NonNull::new(lc::ASN1_INTEGER_to_BN(integer, ptr::null_mut()))?;
        let digits = print(number.as_ptr());
        lc::BN_free(number.as_ptr());
        let digits = NonNull::new(digits)?;
        let text = CStr::from_ptr(digits.as_ptr()).to_string_lossy().into_owned();
        lc::OPENSSL_free(digits.as_ptr().cast());
        Some(text)
    }
}

/// Numbers with dots between.
///
/// # Safety
/// `object` is null or lives during the call.
unsafe fn object_identifier(object: *const lc::ASN1_OBJECT) -> Option<String> {
    let mut out = [0; 256];
    // SAFETY: the buffer is ours, and as long as is said; what is written ends with NUL.
    unsafe {
        let room = c_int::try_from(out.len()).ok()?;
        let length = lc::OBJ_obj2txt(out.as_mut_ptr(), room, object, 1);
        (1..room).contains(&length).then(|| CStr::from_ptr(out.as_ptr()).to_string_lossy().into_owned())
    }
}
