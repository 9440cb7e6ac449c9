//! Tests of `worker`.

use std::collections::HashSet;

use super::ConnectionIds;

#[test]
fn no_two_connections_of_a_process_have_one_number() {
    let workers = 3;
    let ids: Vec<ConnectionIds> = (0..workers).map(|index| ConnectionIds::new(index, workers)).collect();
    let drawn: Vec<u64> = ids.iter().flat_map(|ids| (0..100).map(|_| ids.next())).collect();
    assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
}
