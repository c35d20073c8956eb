//! Causal self-attention with normalised queries and keys.

use burn::tensor::{Device, Tensor, TensorData};

use super::norm::rms_norm;
use super::rotary::Rotary;

/// What attention needs beside weights, made once for a run.
#[derive(Debug, Clone)]
pub struct Tables {
    rotary: Rotary,
    /// 1 where a query may see a key, 0 elsewhere: `[1, 1, context, context]`.
    visible: Tensor<4>,
    heads: usize,
}

impl Tables {
    /// Makes rotary tables and the causal mask.
    pub fn new(context: usize, width: usize, heads: usize, device: &Device) -> Self {
        let visible = (0..context * context).map(|i| if i % context <= i / context { 1.0 } else { 0.0 });
        let visible = TensorData::new(visible.collect::<Vec<f32>>(), [1, 1, context, context]);
        Self {
            rotary: Rotary::new(context, width / heads, device),
            visible: Tensor::from_data(visible, device),
            heads,
        }
    }

    /// The context the tables were made for.
    pub fn context(&self) -> usize {
        self.visible.dims()[3]
    }
}

/// The matrices of one attention layer, each `[width, width]`.
#[derive(Debug)]
pub struct Attention {
    /// Makes queries.
    pub query: Tensor<2>,
    /// Makes keys.
    pub key: Tensor<2>,
    /// Makes values.
    pub value: Tensor<2>,
    /// Mixes the heads.
    pub output: Tensor<2>,
}

impl Attention {
    /// `softmax(q·kᵀ / √dimension)·v · W_output` over the keys up to each query, with
    /// `q = rotary(rms(x·W_query))`, `k = rotary(rms(x·W_key))` per head and `v = x·W_value`.
    ///
    /// Normalised heads bound each score by √dimension, at most 22.7 where a head is at most 512
    /// wide: the exponential cannot overflow, so no maximum is taken, and the division by the sum
    /// waits until the keys are summed out.
    ///
    /// # Shapes
    /// - input and output: `[batch · context, width]`
    pub fn forward(&self, input: Tensor<2>, tables: &Tables) -> Tensor<2> {
        let [rows, width] = input.dims();
        let (context, heads) = (tables.context(), tables.heads);
        let dimension = width / heads;
        let all = Tensor::cat(vec![self.query.clone(), self.key.clone(), self.value.clone()], 1);
        let all = input.matmul(all).reshape([rows / context, context, 3 * heads, dimension]);
        let turned = tables.rotary.apply(rms_norm(all.clone().narrow(2, 0, 2 * heads)));
        let turned = turned.swap_dims(1, 2);
        let query = turned.clone().narrow(1, 0, heads).mul_scalar((dimension as f32).sqrt().recip());
        let key = turned.narrow(1, heads, heads);
        let value = all.narrow(2, 2 * heads, heads).swap_dims(1, 2);
        let shares = query.matmul(key.swap_dims(2, 3)).exp().mul(tables.visible.clone());
        let sum = shares.clone().sum_dim(3);
        let mixed = shares.matmul(value).div(sum);
        mixed.swap_dims(1, 2).reshape([rows, width]).matmul(self.output.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: usize = 8;
    const WIDTH: usize = 16;

    /// Elements in -0.5..0.5 without pattern.
    fn elements(count: usize, salt: u64) -> Vec<f32> {
        let bits = |i: usize| jobs::counter_rng::bits(&[7; 32], "attention test", salt * 10_000 + i as u64);
        (0..count).map(|i| jobs::counter_rng::symmetric(bits(i)) / 2.0).collect()
    }

    fn matrix(rows: usize, columns: usize, salt: u64) -> Tensor<2> {
        let data = TensorData::new(elements(rows * columns, salt), [rows, columns]);
        Tensor::from_data(data, &Device::flex())
    }

    fn attention() -> Attention {
        let weight = |salt| matrix(WIDTH, WIDTH, salt);
        Attention { query: weight(1), key: weight(2), value: weight(3), output: weight(4) }
    }

    fn forward(input: Vec<f32>) -> Vec<f32> {
        let tables = Tables::new(CONTEXT, WIDTH, 2, &Device::flex());
        let rows = input.len() / WIDTH;
        let input = Tensor::from_data(TensorData::new(input, [rows, WIDTH]), &Device::flex());
        attention().forward(input, &tables).into_data().try_to_vec::<f32>().unwrap()
    }

    #[test]
    fn no_position_sees_a_later_one_or_another_sequence() {
        let input = elements(2 * CONTEXT * WIDTH, 5);
        let before = forward(input.clone());
        for changed in 0..2 * CONTEXT {
            let mut other = input.clone();
            other[changed * WIDTH] += 1.0;
            let after = forward(other);
            for row in 0..2 * CONTEXT {
                let may_see = row / CONTEXT == changed / CONTEXT && row >= changed;
                let differs = before[row * WIDTH..][..WIDTH] != after[row * WIDTH..][..WIDTH];
                assert_eq!(differs, may_see, "row {row} after a change of row {changed}");
            }
        }
    }

    #[test]
    fn the_first_position_passes_its_own_value_through() {
        let input = elements(CONTEXT * WIDTH, 6);
        let found = forward(input.clone());
        let row =
            Tensor::<2>::from_data(TensorData::new(input[..WIDTH].to_vec(), [1, WIDTH]), &Device::flex());
        let attention = attention();
        let expected = row.matmul(attention.value).matmul(attention.output).into_data();
        for (found, expected) in found[..WIDTH].iter().zip(expected.try_to_vec::<f32>().unwrap()) {
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }

    #[test]
    fn shares_agree_with_a_softmax_written_out() {
        let input = elements(CONTEXT * WIDTH, 9);
        let found = forward(input.clone());
        let expected = reference(&input);
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
    }

    /// The formula in f64 loops, sharing nothing with the tensor code.
    fn reference(input: &[f32]) -> Vec<f64> {
        let product = |rows: &[f64], weight: &[f32]| -> Vec<f64> {
            let at = |i: usize| -> f64 {
                (0..WIDTH)
                    .map(|k| rows[i / WIDTH * WIDTH + k] * f64::from(weight[k * WIDTH + i % WIDTH]))
                    .sum()
            };
            (0..rows.len()).map(at).collect()
        };
        let input: Vec<f64> = input.iter().map(|x| f64::from(*x)).collect();
        let weight = |salt| elements(WIDTH * WIDTH, salt);
        let turn = |rows: Vec<f64>| -> Vec<f64> {
            let mut out = rows.clone();
            for (head, chunk) in rows.chunks(8).enumerate() {
                let rms = (chunk.iter().map(|x| x * x).sum::<f64>() / 8.0 + 1e-6).sqrt();
                for i in 0..4 {
                    let angle = (head / 2) as f64 * 10_000_f64.powf(-(i as f64) / 4.0);
                    let (a, b) = (chunk[i] / rms, chunk[i + 4] / rms);
                    out[head * 8 + i] = a * angle.cos() - b * angle.sin();
                    out[head * 8 + i + 4] = b * angle.cos() + a * angle.sin();
                }
            }
            out
        };
        let (query, key) = (turn(product(&input, &weight(1))), turn(product(&input, &weight(2))));
        let value = product(&input, &weight(3));
        let mut mixed = vec![0.0; input.len()];
        for t in 0..CONTEXT {
            for head in 0..2 {
                let at = |rows: &[f64], t: usize, i: usize| rows[t * WIDTH + head * 8 + i];
                let score =
                    |s: usize| (0..8).map(|i| at(&query, t, i) * at(&key, s, i)).sum::<f64>() / 8_f64.sqrt();
                let shares: Vec<f64> = (0..=t).map(|s| score(s).exp()).collect();
                for i in 0..8 {
                    let sum: f64 = shares.iter().enumerate().map(|(s, share)| share * at(&value, s, i)).sum();
                    mixed[t * WIDTH + head * 8 + i] = sum / shares.iter().sum::<f64>();
                }
            }
        }
        product(&mixed, &weight(4))
    }
}
