//! The two-layer perceptron of a decoder layer.

use burn::tensor::{Tensor, activation};

/// The matrices of one perceptron.
#[derive(Debug)]
pub struct Mlp {
    /// `[width, hidden]`.
    pub up: Tensor<2>,
    /// `[hidden, width]`.
    pub down: Tensor<2>,
}

impl Mlp {
    /// `relu(x·W_up)² · W_down`, without biases.
    ///
    /// # Shapes
    /// - input and output: `[rows, width]`
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        activation::relu(input.matmul(self.up.clone())).square().matmul(self.down.clone())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn hidden_units_below_zero_are_silent_and_others_squared() {
        let tensor = |elements: [[f32; 2]; 2]| Tensor::from_data(TensorData::from(elements), &Device::flex());
        let mlp = Mlp { up: tensor([[1.0, -1.0], [2.0, 1.0]]), down: tensor([[1.0, 10.0], [100.0, 1.0]]) };
        // (3, 1)·up = (5, −2) → (25, 0); (−1, 2)·up = (3, 3) → (9, 9).
        let output = mlp.forward(tensor([[3.0, 1.0], [-1.0, 2.0]]));
        assert_eq!(output.into_data().try_to_vec::<f32>().unwrap(), [25.0, 250.0, 909.0, 99.0]);
    }
}
