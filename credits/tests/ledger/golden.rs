//! The committed bytes: one item of every kind, as it goes over the wire.

use std::collections::BTreeMap;
use std::fmt::Write;

use credits::{Body, Charter, Hold, Item};
use prost::Message;

use crate::world::{World, rules};

/// Name, id and bytes of each sample, one a line.
const GOLDEN: &str = include_str!("golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The samples, made again from fixed seeds.
fn samples() -> BTreeMap<&'static str, (String, String)> {
    let mut world = World::new(3, 6, 2, 2);
    let earned = world.earn_spendable(4, 1);
    world.fee(0, earned.attests[0], earned.mint).unwrap();
    let hold = world.sign(4, Body::Hold(Hold { expiry_epoch: 99, ..world.hold_body(5, 50) })).unwrap();
    let settle = world.settle(4, 5, hold, 20).unwrap();
    world.release(4, hold, credits::ReleaseProof::Settle(settle)).unwrap();
    let other = world.branch(5, 2, &[Body::Claim(world.claim_body(5, 1))])[0].clone();
    world.apply(other.into());
    let mut samples = BTreeMap::new();
    for item in &world.items {
        let name = match item {
            Item::Receipt(receipt) => match &receipt.body {
                Body::Genesis(_) => "genesis",
                Body::Claim(_) => "claim",
                Body::Attest(_) => "attest",
                Body::Mint(credits::Mint::Trial(_)) => "mint",
                Body::Mint(credits::Mint::Fee(_)) => "fee",
                Body::Vest(_) => "vest",
                Body::Hold(_) => "hold",
                Body::Settle(_) => "settle",
                Body::Release(_) => "release",
            },
            Item::Draw(_) => "draw",
            Item::Anchor(_) => "anchor",
            Item::Fork(_) => "fork",
        };
        samples.entry(name).or_insert((hex(&item.key()), hex(&item.to_wire().encode_to_vec())));
    }
    let charter = rules(&world.keys[..3], 2, 2).sign(&world.keys[0].signing).unwrap();
    let id = Charter::from_bytes(&charter).unwrap().id;
    samples.insert("charter", (hex(id.as_bytes()), hex(&charter)));
    samples
}

#[test]
fn the_bytes_of_every_kind_are_the_committed_ones() {
    let golden: BTreeMap<&str, (String, String)> = GOLDEN
        .lines()
        .map(|line| {
            let mut parts = line.split(' ');
            let mut next = || parts.next().unwrap();
            (next(), (next().to_owned(), next().to_owned()))
        })
        .collect();
    let samples = samples();
    assert_eq!(samples.len(), 13);
    for (name, sample) in &samples {
        let line = format!("{name} {} {}", sample.0, sample.1);
        assert!(golden.get(name) == Some(sample), "the committed line would now be\n{line}");
    }
    assert_eq!(golden.len(), samples.len());
}
