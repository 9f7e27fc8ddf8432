"""Demo corpus of synthetic Russian speech, with domains that sound as different as those of the article.

The article: Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text".
"""
