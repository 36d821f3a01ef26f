//! The trees that were captured on real kernels (tests/fixtures/capture.sh), read by this crate.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::path::Path;

use lowtide_kernfs::Root;
use lowtide_psi::Resource;
use rstest::rstest;

#[rstest]
#[case("6.1", 0, 0)]
#[case("6.12", 542_397, 466_939)]
#[case("6.18", 0, 0)]
#[case("7.3", 16_422, 16_422)]
fn host_pressure(#[case] kernel: &str, #[case] some: u128, #[case] full: u128) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kernel);
    let root = Root::open(path).unwrap();
    let read = |resource: Resource| lowtide_psi::read(&root, resource.host_file()).unwrap();
    let memory = read(Resource::Memory).unwrap();
    assert_eq!((memory.some.as_micros(), memory.full.unwrap().as_micros()), (some, full));
    assert!(read(Resource::Io).is_some());
    assert!(read(Resource::Cpu).unwrap().full.is_some());
    assert_eq!(read(Resource::Irq), None);
}
