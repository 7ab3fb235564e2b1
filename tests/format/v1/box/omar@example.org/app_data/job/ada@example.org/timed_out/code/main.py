print('grüße')
