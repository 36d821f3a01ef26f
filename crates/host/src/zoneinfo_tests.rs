use rstest::rstest;

use super::*;

const TEXT: &str = "Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 31
      workingset_low 777
  pages free     2816
        boost    3
        min      1
        low      5
        high     9
        promo    13
        managed  3840
      nr_free_pages 2816
  pagesets
    cpu: 0
              count:    17
              high:     60
              high_min: 61
    cpu: 1
              count:    25
              high:     60
  node_unreclaimable:  0
Node 1, zone  Movable
  pages free     0
        min      32
        low      32
        high     32
        managed  0
  node_unreclaimable:  1
";

#[test]
fn each_zone_with_its_own_watermarks() {
    let pages = |count| Some(Bytes::pages(count));
    let dma = Zone {
        node: 0,
        name: "DMA".to_owned(),
        free: pages(2816),
        boost: pages(3),
        min: pages(1),
        low: pages(5),
        high: pages(9),
        managed: Bytes::pages(3840),
        on_processors: Bytes::pages(42),
        gave_up: false,
    };
    let movable = Zone {
        node: 1,
        name: "Movable".to_owned(),
        free: pages(0),
        boost: None,
        min: pages(32),
        low: pages(32),
        high: pages(32),
        managed: Bytes::ZERO,
        on_processors: Bytes::ZERO,
        gave_up: true,
    };
    assert_eq!(zones(TEXT), Ok(vec![dma, movable]));
}

#[test]
fn what_is_not_there_is_not_there() {
    assert_eq!(zones(""), Ok(vec![]));
    assert_eq!(zones("garbage\n low 3\n"), Ok(vec![]));
    let truncated = zones("Node 3, zone Normal\n min 4\n").unwrap();
    assert_eq!((truncated[0].node, truncated[0].min, truncated[0].high), (3, Some(Bytes::pages(4)), None));
}

#[rstest]
#[case::no_number("Node x, zone DMA\n")]
#[case::negative_node("Node -1, zone DMA\n")]
#[case::no_zone("Node 0\n")]
#[case::free_is_missing("Node 0, zone DMA\n pages free\n")]
#[case::max("Node 0, zone DMA\n high max\n")]
#[case::overflow("Node 0, zone DMA\n min 18446744073709551616\n")]
#[case::negative("Node 0, zone DMA\n managed -1\n")]
fn bad(#[case] text: &str) {
    assert!(zones(text).is_err());
}
