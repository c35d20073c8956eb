//! Rotary positions: pairs of elements turned by an angle that grows with the position.

use burn::tensor::{Device, Tensor, TensorData};

/// Base of the angles' geometric row.
pub const BASE: f64 = 10_000.0;

/// Cosines and sines for every position of a context.
///
/// With half = dimension / 2, element i < half of position t is turned together with element
/// i + half by the angle `t · BASE^(−i / half)`.
#[derive(Debug, Clone)]
pub struct Rotary {
    cosine: Tensor<4>,
    sine: Tensor<4>,
}

impl Rotary {
    /// Computes the tables on the host in f64, rounded once to f32.
    ///
    /// `dimension` is the even width of one head.
    pub fn new(context: usize, dimension: usize, device: &Device) -> Self {
        let half = dimension / 2;
        let table = |function: fn(f64) -> f64| {
            let angle = |t: usize, i: usize| t as f64 * BASE.powf(-(i as f64) / half as f64);
            let elements = (0..context).flat_map(|t| (0..half).map(move |i| function(angle(t, i)) as f32));
            let data = TensorData::new(elements.collect::<Vec<f32>>(), [1, context, 1, half]);
            Tensor::from_data(data, device)
        };
        Self { cosine: table(f64::cos), sine: table(f64::sin) }
    }

    /// Turns every head of every position.
    ///
    /// # Shapes
    /// - input and output: `[batch, context, heads, dimension]`
    pub fn apply(&self, input: Tensor<4>) -> Tensor<4> {
        let half = input.dims()[3] / 2;
        let first = input.clone().narrow(3, 0, half);
        let second = input.narrow(3, half, half);
        let turned = first.clone().mul(self.cosine.clone()).sub(second.clone().mul(self.sine.clone()));
        let turned_second = second.mul(self.cosine.clone()).add(first.mul(self.sine.clone()));
        Tensor::cat(vec![turned, turned_second], 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(position: usize, head: [f32; 4]) -> Vec<f32> {
        let device = Device::flex();
        let mut elements = vec![0.0; 128 * 4];
        elements[position * 4..position * 4 + 4].copy_from_slice(&head);
        let input = Tensor::<4>::from_data(TensorData::new(elements, [1, 128, 1, 4]), &device);
        let output = Rotary::new(128, 4, &device).apply(input).into_data().try_to_vec::<f32>().unwrap();
        output[position * 4..position * 4 + 4].to_vec()
    }

    #[test]
    fn pairs_turn_by_their_angle() {
        assert_eq!(turned(0, [1.0, 2.0, 3.0, 4.0]), [1.0, 2.0, 3.0, 4.0]);
        // Position 1, pair (0, 2) by 1 rad and pair (1, 3) by 10000^(-1/2) = 0.01 rad, from a table of
        // cos 1 = 0.5403023, sin 1 = 0.8414710, cos 0.01 = 0.9999500, sin 0.01 = 0.0099998:
        // 1·cos 1 − 3·sin 1, 2·cos .01 − 4·sin .01, 3·cos 1 + 1·sin 1, 4·cos .01 + 2·sin .01.
        let expected = [-1.984_110_6, 1.959_900_7, 2.462_377_9, 4.019_799_7];
        for (found, expected) in turned(1, [1.0, 2.0, 3.0, 4.0]).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }

    #[test]
    fn the_product_of_two_heads_depends_on_their_distance_only() {
        let dot = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>();
        let (query, key) = ([0.3, -1.0, 0.7, 0.2], [1.1, 0.4, -0.6, 0.9]);
        let near = dot(turned(9, query), turned(4, key));
        let far = dot(turned(105, query), turned(100, key));
        assert!((near - far).abs() < 1e-5, "{near} and {far}");
    }
}
