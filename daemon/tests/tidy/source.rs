//! Rules on one source file: its head, its length, and what is in it.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Offence;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const PARAMETERS_MAX: usize = 6;
const FIELDS_MAX: usize = 14;

/// Endings of names that leave open what the thing is.
const EMPTY_WORDS: [&str; 7] = ["Manager", "Helper", "Util", "Common", "Misc", "Wrapper", "Data"];

/// Every offence of a file against the rules of this module.
pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let mut offences = Vec::new();
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!(") {
        offences.push(Offence::new(file, 1, "does not open with //!"));
    }
    if file.ends_with("/mod.rs") {
        offences.push(Offence::new(file, 0, "is named mod.rs; use the folder's name"));
    }
    let parsed = match syn::parse_file(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let line = error.span().start().line;
            offences.push(Offence::new(file, line, format!("does not parse: {error}")));
            return offences;
        }
    };
    let tests = parsed.items.iter().filter_map(test_lines).map(|(first, last)| 1 + last - first);
    let lines = text.lines().count() - tests.sum::<usize>();
    if lines > FILE_LINES_MAX {
        let what = format!("has {lines} lines without tests, {FILE_LINES_MAX} are allowed");
        offences.push(Offence::new(file, 0, what));
    }
    let mut rules = Rules { file, offences };
    rules.visit_file(&parsed);
    rules.offences
}

/// First and last line of a module that exists only in tests.
pub(crate) fn test_lines(item: &syn::Item) -> Option<(usize, usize)> {
    let syn::Item::Mod(module) = item else {
        return None;
    };
    let is_test_only = module.attrs.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    });
    is_test_only.then(|| (module.span().start().line, module.span().end().line))
}

struct Rules<'a> {
    file: &'a str,
    offences: Vec<Offence>,
}

impl Rules<'_> {
    fn offence(&mut self, span: Span, what: String) {
        self.offences.push(Offence::new(self.file, span.start().line, what));
    }

    fn check_function(&mut self, signature: &syn::Signature, body: Option<&syn::Block>) {
        let (name, start) = (&signature.ident, signature.fn_token.span);
        let typed = signature.inputs.iter().filter(|input| matches!(input, syn::FnArg::Typed(_))).count();
        if typed > PARAMETERS_MAX {
            let what = format!("function {name} has {typed} parameters, {PARAMETERS_MAX} are allowed");
            self.offence(start, what);
        }
        let end = body.map_or(start, Spanned::span).end().line;
        let lines = 1 + end - start.start().line;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("function {name} has {lines} lines, {FUNCTION_LINES_MAX} are allowed");
            self.offence(start, what);
        }
    }

    fn check_name(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        let is_empty = EMPTY_WORDS.iter().any(|word| {
            let lower = word.to_lowercase();
            name.ends_with(word) || name == lower || name.ends_with(&format!("_{lower}"))
        });
        if is_empty {
            self.offence(ident.span(), format!("the name {name} says nothing"));
        }
    }
}

impl<'ast> Visit<'ast> for Rules<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check_function(&item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check_function(&item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.check_function(&item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let fields = item.fields.len();
        if fields > FIELDS_MAX {
            let what = format!("struct {} has {fields} fields, {FIELDS_MAX} are allowed", item.ident);
            self.offence(item.struct_token.span, what);
        }
        self.check_name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check_name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.check_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.check_name(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.check_name(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Inherited) && has_glob(&item.tree) {
            self.offence(item.use_token.span, "re-exports everything with *".to_owned());
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("ignore") {
            self.offence(attribute.span(), "ignores a test".to_owned());
        }
    }
}

fn has_glob(tree: &syn::UseTree) -> bool {
    match tree {
        syn::UseTree::Path(path) => has_glob(&path.tree),
        syn::UseTree::Group(group) => group.items.iter().any(has_glob),
        syn::UseTree::Glob(_) => true,
        syn::UseTree::Name(_) | syn::UseTree::Rename(_) => false,
    }
}
