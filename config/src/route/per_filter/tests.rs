//! What only bytes can say: protobuf-JSON has no way to write an Any without a type here.

use prost::Message as _;

use super::*;

#[test]
fn an_empty_config_switches_a_filter_on() {
    let wrapper = pb::FilterConfig { config: Some(wkt::Any::default()), ..Default::default() };
    let any = wkt::Any { type_url: format!("type.googleapis.com/{WRAPPER}"), value: wrapper.encode_to_vec() };
    let configs = HashMap::from([("cors".to_owned(), any)]);
    let found = per_filter(&At::root(), &configs, &Options::default()).unwrap();
    let [(name, ScopedFilter { disabled: false, config: None })] = &found[..] else { panic!("{found:?}") };
    assert_eq!(&**name, "cors");
}
