//! Root-mean-square normalisation without a learned gain.

use burn::tensor::Tensor;

/// Added to the mean square, so that a row of zeros stays one.
pub const EPSILON: f32 = 1e-6;

/// `y = x / √(mean(x²) + ε)` over the last dimension.
///
/// # Shapes
/// - input and output: `[.., width]`
pub fn rms_norm<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    let mean_square = input.clone().square().mean_dim(D - 1);
    let scale = mean_square.add_scalar(EPSILON).sqrt().recip();
    input.mul(scale)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn rows_are_divided_by_their_root_mean_square() {
        // Row 1: mean square (9 + 16 + 0 + 0) / 4 = 6.25, root 2.5. Row 2: all equal, root 2.
        let input = [[3.0_f32, -4.0, 0.0, 0.0], [2.0, 2.0, -2.0, 2.0]];
        let output = rms_norm(Tensor::<2>::from_data(TensorData::from(input), &Device::flex()));
        let expected = [1.2, -1.6, 0.0, 0.0, 1.0, 1.0, -1.0, 1.0];
        for (found, expected) in output.into_data().try_to_vec::<f32>().unwrap().iter().zip(expected) {
            // ε moves a row of mean square 4 by 1.25e-7 of itself.
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero() {
        let output = rms_norm(Tensor::<2>::zeros([1, 4], &Device::flex()));
        assert_eq!(output.into_data().try_to_vec::<f32>().unwrap(), [0.0; 4]);
    }
}
