"""The storefront example as a Flask app."""
