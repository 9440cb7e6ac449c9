//! Tests of `discovered`.

use super::*;

#[test]
fn a_workload_is_what_the_control_plane_says_and_where() {
    let proto = istio::Workload {
        name: "ratings-1".into(),
        namespace: "bookinfo".into(),
        addresses: vec![vec![10, 0, 0, 1], vec![0; 16], vec![1, 2]],
        canonical_name: "ratings".into(),
        canonical_revision: "v1".into(),
        workload_type: 2,
        workload_name: "ratings-vm".into(),
        cluster_id: "Kubernetes".into(),
        service_account: "bookinfo-ratings".into(),
        ..istio::Workload::default()
    };
    let found = of_xds(&proto.encode_to_vec()).unwrap();
    assert_eq!(found.addresses, ["10.0.0.1".parse::<IpAddr>().unwrap(), "::".parse().unwrap()]);
    let workload = found.workload;
    assert_eq!((&*workload.name, &*workload.service, &*workload.revision), ("ratings-vm", "ratings", "v1"));
    assert_eq!((workload.kind, &*workload.instance), (Kind::Pod, "ratings-1"));
    assert_eq!(&*workload.identity, "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings");
    assert_eq!(of_xds(&[]).unwrap().workload.identity, "".into());
    assert!(of_xds(&[0xff]).is_err());
}
