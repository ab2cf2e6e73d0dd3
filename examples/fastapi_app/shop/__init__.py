"""The storefront example as a FastAPI app."""
