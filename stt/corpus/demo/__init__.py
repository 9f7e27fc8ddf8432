"""The demo corpus: Russian speech made on the spot, in domains that sound as different as the article's."""
