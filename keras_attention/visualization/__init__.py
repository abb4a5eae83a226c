"""What attention looks at: collected, drawn, and as a page to explore."""

from keras_attention.visualization.collect import attention_maps
from keras_attention.visualization.maps import AttentionMaps
from keras_attention.visualization.page import attention_page
from keras_attention.visualization.plot import plot_attention
