/* ref.h - the reference device: plain C, sums in double, one thread. All functions are local. */
#ifndef TN_DEV_REF_REF_H
#define TN_DEV_REF_REF_H

#include "dev/dev.h"

extern const tn_dev_table tn_ref_table;

double tn_ref_act(tn_act kind, double x);
/* For row m and channel c: the value read through a view, the slope of its activation, a gradient (dev.h). */
double tn_ref_read(const tn_view *x, int64_t HW, int C, int64_t m, int c);
double tn_ref_slope(const tn_view *x, int C, int64_t m, int c);
double tn_ref_grad(const tn_grad_view *d, int C, int64_t m, int c);

/* ref_conv.c */
tn_status tn_ref_conv_new(tn_dev *dev, const tn_conv_shape *shape, tn_conv **out);
void tn_ref_conv_free(tn_dev *dev, tn_conv **conv);
void tn_ref_conv_weights(tn_dev *dev, tn_conv *conv, const float *w);
void tn_ref_conv_forward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_finish *finish, void *y,
                         float *mean, float *var);
void tn_ref_conv_backward(tn_dev *dev, tn_conv *conv, int B, const tn_view *x, const tn_grad_view *dy, void *dx,
                          bool add, double *sums, float *dw);

/* Operations of the head, which other devices in host memory also use. */
void tn_ref_join_forward(tn_dev *dev, int B, int I, int M, const float *x, const float *extra, float *y);
void tn_ref_join_backward(tn_dev *dev, int B, int I, int M, const float *dy, float *dx);
void tn_ref_softmax(tn_dev *dev, int B, int K, const float *logits, float *p);
void tn_ref_cross_entropy(tn_dev *dev, int B, int K, const float *logits, const float *target, float scale,
                          float *loss_out, float *dlogits);

#endif
