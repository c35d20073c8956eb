//! The trace of a trial: its leaves, their Merkle tree and what attesters sign.
//!
//! Leaves stand in this order: the initial state, the states after segments
//! `1..=S`, the evaluation blocks `0..E`. How states and nats are hashed is not
//! decided here.

use proto::ids::{AccountId, BlobHash};

/// Role of a hash inside a trace; no value of one role is a value of another.
#[derive(Clone, Copy)]
enum Role {
    Init = 0,
    Segment = 1,
    Block = 2,
    Leaf = 3,
    Node = 4,
    Root = 5,
    Attest = 6,
}

fn hash(role: Role, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("swarm trace v1");
    hasher.update(&[role as u8]);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Leaf 0: the seeded initial state.
pub fn leaf_init(state: &BlobHash) -> [u8; 32] {
    hash(Role::Init, &[state.as_bytes()])
}

/// Leaf `j` from 1: the state after segment `j` and the hash of its step losses.
pub fn leaf_segment(j: u32, state: &BlobHash, losses: &[u8; 32]) -> [u8; 32] {
    hash(Role::Segment, &[&j.to_le_bytes(), state.as_bytes(), losses])
}

/// The leaf of evaluation block `b` from 0: the sum of its windows in micro-bits
/// and the hash of their nats.
pub fn leaf_block(b: u32, sum_microbits: u64, nats_hash: &[u8; 32]) -> [u8; 32] {
    hash(Role::Block, &[&b.to_le_bytes(), &sum_microbits.to_le_bytes(), nats_hash])
}

/// What an attester signs as the result of its check: its own name is inside, so
/// that copying another attester's digest is useless.
pub fn attest_digest(
    attester: &AccountId,
    leaf_init: &[u8; 32],
    leaf_segment: &[u8; 32],
    leaf_block: &[u8; 32],
) -> [u8; 32] {
    hash(Role::Attest, &[attester.as_bytes(), leaf_init, leaf_segment, leaf_block])
}

/// One level up: pairs are hashed, an odd last node moves up as it is.
fn level_above(nodes: &[[u8; 32]]) -> Vec<[u8; 32]> {
    nodes
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => hash(Role::Node, &[left, right]),
            single => single[0],
        })
        .collect()
}

fn bottom(leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    leaves.iter().map(|leaf| hash(Role::Leaf, &[leaf])).collect()
}

fn top(count: usize, node: &[u8; 32]) -> [u8; 32] {
    hash(Role::Root, &[&(count as u64).to_le_bytes(), node])
}

/// The Merkle root over all leaves; it commits to their number.
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut nodes = bottom(leaves);
    while nodes.len() > 1 {
        nodes = level_above(&nodes);
    }
    top(leaves.len(), nodes.first().unwrap_or(&[0; 32]))
}

/// The siblings of one leaf from the bottom up; levels where it has none are
/// left out.
///
/// # Panics
/// If there is no such leaf.
pub fn path(leaves: &[[u8; 32]], index: usize) -> Vec<[u8; 32]> {
    assert!(index < leaves.len(), "leaf {index} of {}", leaves.len());
    let (mut nodes, mut index, mut siblings) = (bottom(leaves), index, Vec::new());
    while nodes.len() > 1 {
        siblings.extend(nodes.get(index ^ 1));
        nodes = level_above(&nodes);
        index /= 2;
    }
    siblings
}

/// Whether `leaf` stands at `index` among `count` leaves under `root`.
pub fn is_in(root: &[u8; 32], count: usize, index: usize, leaf: &[u8; 32], path: &[[u8; 32]]) -> bool {
    if index >= count {
        return false;
    }
    let (mut node, mut at, mut width) = (hash(Role::Leaf, &[leaf]), index, count);
    let mut siblings = path.iter();
    while width > 1 {
        if (at ^ 1) < width {
            let Some(sibling) = siblings.next() else { return false };
            node = if at % 2 == 0 {
                hash(Role::Node, &[&node, sibling])
            } else {
                hash(Role::Node, &[sibling, &node])
            };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && top(count, &node) == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<[u8; 32]> {
        (0..count).map(|i| [i; 32]).collect()
    }

    #[test]
    fn every_leaf_of_every_size_is_in_and_nothing_else() {
        for count in 1..=21 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let path = path(&leaves, index);
                assert!(is_in(&root, leaves.len(), index, leaf, &path), "{index} of {count}");
                assert!(!is_in(&root, leaves.len(), index, &[0xff; 32], &path));
                assert!(!is_in(&root, leaves.len() + 1, index, leaf, &path));
                assert!(!is_in(&root, leaves.len(), index + 1, leaf, &path));
                let longer = [path.clone(), vec![[0; 32]]].concat();
                assert!(!is_in(&root, leaves.len(), index, leaf, &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!is_in(&root, leaves.len(), index, leaf, shorter));
                }
            }
        }
    }

    #[test]
    fn roots_commit_to_number_order_and_content() {
        let four = root(&leaves(4));
        let mut swapped = leaves(4);
        swapped.swap(1, 2);
        assert_ne!(root(&swapped), four);
        assert_ne!(root(&leaves(3)), four);
        assert_ne!(root(&[leaves(3), vec![[2; 32]]].concat()), four);
    }

    #[test]
    fn roles_are_separate() {
        let state = BlobHash::new([1; 32]);
        let all = [
            leaf_init(&state),
            leaf_segment(1, &state, &[0; 32]),
            leaf_segment(2, &state, &[0; 32]),
            leaf_block(1, 0, &[1; 32]),
            leaf_block(0, 1, &[1; 32]),
            attest_digest(&AccountId::new([1; 32]), &[0; 32], &[0; 32], &[0; 32]),
            attest_digest(&AccountId::new([2; 32]), &[0; 32], &[0; 32], &[0; 32]),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
    }
}
