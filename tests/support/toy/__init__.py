"""A second captured application: one base class and one declaration."""
