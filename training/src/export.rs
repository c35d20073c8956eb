//! Weights as safetensors, for other programs.

use std::collections::HashMap;
use std::path::Path;

use jobs::Recipe;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::state::State;

/// Weights that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The format refused them.
    #[error("the weights cannot be put into safetensors form")]
    Form(#[from] SafeTensorError),
    /// The file could not be written.
    #[error("the weights cannot be written")]
    Write(#[from] std::io::Error),
}

/// Writes every weight under its name of [`Recipe::weights`], shape `[inputs, outputs]`, f32.
///
/// A row times the matrix is the layer's output: the transpose of PyTorch's `Linear.weight`.
/// The recipe's text stands in the metadata under `recipe`.
///
/// # Errors
/// As the variants of [`ExportError`] say.
pub fn write(recipe: &Recipe, state: &State, path: &Path) -> Result<(), ExportError> {
    let bytes: Vec<u8> = state.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let mut views = Vec::new();
    let mut rest = &bytes[..];
    for weight in recipe.weights() {
        let shape = vec![weight.inputs as usize, weight.outputs as usize];
        let (own, others) = rest.split_at(4 * shape[0] * shape[1]);
        views.push((weight.name, TensorView::new(Dtype::F32, shape, own)?));
        rest = others;
    }
    let metadata = HashMap::from([("recipe".to_owned(), recipe.to_toml())]);
    std::fs::write(path, serialize(views, Some(metadata))?)?;
    Ok(())
}
